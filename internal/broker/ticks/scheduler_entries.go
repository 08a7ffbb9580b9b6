package ticks

import (
	"context"
	"os"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/internal/schedule"
)

// asynq's tools read what its schedulers write: asynq:schedulers has the keys of their lists by expiry, a list has the entries
// as protobuf, and a sorted set an entry has its enqueue events. The field numbers are
// those of asynq's internal/proto/asynq.proto.
const (
	asynqSchedulers = "asynq:schedulers"

	numEntryID       = 1
	numEntrySpec     = 2
	numEntryType     = 3
	numEntryPayload  = 4
	numEntryOptions  = 5 // each must look like Name(arg): asynq's inspector cannot parse anything else
	numEntryNext     = 6
	numEntryPrevious = 7

	numEventTaskID = 1
	numEventTime   = 2

	// historyKept and historyTTL bound the events of an entry; asynq itself keeps a thousand without expiry.
	historyKept = 200
	historyTTL  = 7 * 24 * time.Hour
)

func historyKey(scheduleID string) string { return "asynq:scheduler_history:" + scheduleID }

// newSchedulersKey returns the key of the list of one client.
func newSchedulersKey() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return asynqSchedulers + ":{" + host + ":" + strconv.Itoa(os.Getpid()) + ":" + uuid.NewString() + "}"
}

// Show writes schedules for asynq's tools, which show them until the time or until Hide. Errors: CodeUnavailable.
func (c *Client) Show(ctx context.Context, list []*schedule.Schedule, until time.Time) error {
	entries := make([]any, len(list))
	for i, s := range list {
		entries[i] = encodeEntry(s)
	}
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAdd(ctx, asynqSchedulers, redis.Z{Member: c.schedulersKey, Score: float64(until.Unix())})
		p.Del(ctx, c.schedulersKey)
		if len(entries) > 0 {
			p.RPush(ctx, c.schedulersKey, entries...)
			p.Expire(ctx, c.schedulersKey, until.Sub(c.Now()).Round(time.Second)+time.Second)
		}
		return nil
	})
	return redisconn.Coded(err)
}

// Hide removes what Show wrote. Errors: CodeUnavailable.
func (c *Client) Hide(ctx context.Context) error {
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRem(ctx, asynqSchedulers, c.schedulersKey)
		p.Del(ctx, c.schedulersKey)
		return nil
	})
	return redisconn.Coded(err)
}

// Enqueued adds enqueued ticks to the events that asynq's tools show for their schedules. Errors: CodeUnavailable.
func (c *Client) Enqueued(ctx context.Context, entries []*schedule.OutboxEntry) error {
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, e := range entries {
			key := historyKey(e.ScheduleID)
			p.ZAdd(ctx, key, redis.Z{Member: encodeEvent(e.Run), Score: float64(e.Run.FiredAt.Unix())})
			p.ZRemRangeByRank(ctx, key, 0, -historyKept-1)
			p.Expire(ctx, key, historyTTL)
		}
		return nil
	})
	return redisconn.Coded(err)
}

// Forget deletes the events of a schedule. Errors: CodeUnavailable.
func (c *Client) Forget(ctx context.Context, scheduleID string) error {
	return redisconn.Coded(c.rdb.Del(ctx, historyKey(scheduleID)).Err())
}

func encodeEntry(s *schedule.Schedule) []byte {
	b := wire.AppendString(nil, numEntryID, s.ID)
	b = wire.AppendString(b, numEntrySpec, s.TriggerText())
	b = wire.AppendString(b, numEntryType, s.Spec.Task.Type)
	if len(s.Spec.Task.Payload) > 0 {
		b = protowire.AppendTag(b, numEntryPayload, protowire.BytesType)
		b = protowire.AppendBytes(b, s.Spec.Task.Payload)
	}
	if queue := s.Spec.Task.Queue; queue != "" {
		b = wire.AppendString(b, numEntryOptions, "Queue("+strconv.Quote(queue)+")")
	}
	b = wire.AppendTimestamp(b, numEntryNext, s.Due)
	return wire.AppendTimestamp(b, numEntryPrevious, s.LastRunAt) // Go's zero time if it never ran
}

func encodeEvent(run schedule.Run) []byte {
	return wire.AppendTimestamp(wire.AppendString(nil, numEventTaskID, run.TaskID), numEventTime, run.FiredAt)
}
