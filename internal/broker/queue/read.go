package queue

import (
	"cmp"
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

// Get returns the task with the id, whichever queue it is in. Errors: CodeNotFound, CodeUnavailable.
func (c *Client) Get(ctx context.Context, id string) (*task.Task, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	r, err := c.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.Task(), nil
}

// askOthersAfter is how long the configured queues may take until those of foreign clients are asked too.
const askOthersAfter = 500 * time.Millisecond

// find looks for the task in all queues in one round trip: those of the configuration first, and where they do
// not have it those of foreign clients. It is cheaper and safer than an index from ids to queues, which could
// be wrong. The task is found as soon as one queue has it, whatever has become of the others.
func (c *Client) find(ctx context.Context, id string) (*wire.Record, error) {
	configured := c.lookups.ask(id, c.names.configured)
	var foreign <-chan *lookup
	slow := time.NewTimer(askOthersAfter)
	defer slow.Stop()
	var failed error
	for left := cap(configured); left > 0 || foreign == nil; {
		var answer *lookup
		if left > 0 {
			select {
			case answer = <-configured:
			case answer = <-foreign:
			case <-slow.C:
			case <-ctx.Done():
				return nil, redisconn.Coded(ctx.Err())
			}
		}
		if answer != nil {
			left--
			if r, err := c.found(ctx, answer); r != nil || err != nil {
				return r, err
			}
			failed = cmp.Or(failed, answer.err())
		}
		if foreign == nil && (left == 0 || answer == nil) {
			all, err := c.names.all(ctx)
			failed = cmp.Or(failed, err)
			foreign = c.lookups.ask(id, all[len(c.names.configured):])
			left += cap(foreign)
		}
	}
	if failed != nil {
		return nil, redisconn.Coded(failed)
	}
	return nil, catalog.NoTask(id)
}

// found returns the task of an answer, nil if it holds none.
func (c *Client) found(ctx context.Context, answer *lookup) (*wire.Record, error) {
	for _, r := range c.recordsOf(answer.refs, answer.cmds) {
		if r != nil {
			return c.complete(ctx, r)
		}
	}
	return nil, nil
}

// findIn returns nil if the queue does not have the task.
func (c *Client) findIn(ctx context.Context, id, queue string) (*wire.Record, error) {
	select {
	case answer := <-c.lookups.ask(id, []string{queue}):
		if err := answer.err(); err != nil {
			return nil, redisconn.Coded(err)
		}
		return c.found(ctx, answer)
	case <-ctx.Done():
		return nil, redisconn.Coded(ctx.Err())
	}
}

// read reads tasks in one round trip. What is not there, or past its retention, is nil in the answer.
func (c *Client) read(ctx context.Context, refs []wire.Ref) ([]*wire.Record, error) {
	return c.readFields(ctx, refs, wire.RecordFields)
}

func (c *Client) readFields(ctx context.Context, refs []wire.Ref, fields []string) ([]*wire.Record, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	var cmds []*redis.SliceCmd
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		cmds = appendReads(ctx, p, refs, fields)
		return nil
	})
	if err != nil {
		return nil, redisconn.Coded(err)
	}
	return c.recordsOf(refs, cmds), nil
}

func (c *Client) recordsOf(refs []wire.Ref, cmds []*redis.SliceCmd) []*wire.Record {
	now := c.Now()
	records := make([]*wire.Record, len(refs))
	for i, f := range refs {
		if r, ok := wire.NewRecord(f.Queue, f.ID, cmds[i].Val()); ok && !r.Over(now) {
			records[i] = r
		}
	}
	return records
}

// readSettled reads tasks and settles them.
func (c *Client) readComplete(ctx context.Context, refs []wire.Ref) ([]*wire.Record, error) {
	records, err := c.read(ctx, refs)
	for i, r := range records {
		if r != nil && err == nil {
			records[i], err = c.complete(ctx, r)
		}
	}
	return records, err
}

// settle completes what a reader would find unfinished: a task past its expires_at that no worker has swept
// yet, and the next try of a task that a stock client or server has put off. It returns nil for a task that
// is gone by now.
func (c *Client) complete(ctx context.Context, r *wire.Record) (*wire.Record, error) {
	now := c.Now()
	state := r.TaskState()
	expires := r.Message.Time(wire.HeaderExpiresAt)
	waits := (state == task.Pending || state == task.Scheduled) && r.Fields[wire.FieldAttempt] == ""
	if waits && !expires.IsZero() && !expires.After(now) {
		return c.expire(ctx, r)
	}
	if (state == task.Scheduled || state == task.Retrying) && r.Fields[wire.FieldRunAt] == "" {
		score, err := c.rdb.ZScore(ctx, wire.AsynqPrefix(r.Queue)+r.State, r.ID).Result()
		if redisconn.Coded(err) != nil {
			return nil, redisconn.Coded(err)
		}
		r.Fields[wire.FieldRunAt] = wire.FormatMillis(time.Unix(int64(score), 0))
	}
	return r, nil
}

func (c *Client) expire(ctx context.Context, r *wire.Record) (*wire.Record, error) {
	if err := script.SweepAll(ctx, c.rdb, r.Queue, func(taskType string) { c.meter.Ended(taskType, r.Queue, task.Expired) }); err != nil {
		return nil, redisconn.Coded(err)
	}
	records, err := c.read(ctx, []wire.Ref{{Queue: r.Queue, ID: r.ID}})
	if err != nil {
		return nil, err
	}
	return records[0], nil
}
