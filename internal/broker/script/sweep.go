package script

import (
	"context"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
	"github.com/redis/go-redis/v9"
)

const sweepBatch = 100

// swept is what one step of sweeping a queue has done.
type swept struct {
	Wait    time.Duration // until the next one is due; 0 if more are, negative if there is none
	Place   int64         // where the next step goes on
	Expired []string      // types of the tasks that have expired
	Damaged []any
}

// sweepOnce deals with some of what is due in a queue, and leaves Redis time for others.
func Sweep(ctx context.Context, rdb redis.Scripter, queue string, place int64) (swept, error) {
	keys := []string{wire.ExpiresKey(queue), wire.PendingKey(queue), wire.CompletedKey(queue)}
	reply, err := sweepScript.Run(ctx, rdb, queue, keys, sweepBatch, place).Slice()
	if err != nil {
		return swept{}, redisconn.Coded(err)
	}
	next, _ := reply[1].(int64)
	return swept{Wait: Millis(reply[0]), Place: next, Expired: wire.TypesOf(reply[2]), Damaged: reply[3:]}, nil
}

// sweep ends all that has expired in a queue, and says what it has ended.
func SweepAll(
	ctx context.Context, rdb redis.Scripter, queue string, ended func(taskType, queue string, as task.State),
) error {
	var step swept
	for {
		var err error
		if step, err = Sweep(ctx, rdb, queue, step.Place); err != nil {
			return err
		}
		for _, taskType := range step.Expired {
			ended(taskType, queue, task.Expired)
		}
		if step.Wait != 0 || len(step.Expired) == 0 && step.Place == 0 {
			return nil // what has been kept long enough is dropped in time
		}
	}
}

// longestWait bounds what is heard of the next time that something is due, which may be thousands of years away.
const longestWait = 24 * time.Hour

// millis is a reply in ms as a duration.
func Millis(reply any) time.Duration {
	ms, _ := reply.(int64)
	return time.Duration(min(ms, longestWait.Milliseconds())) * time.Millisecond
}
