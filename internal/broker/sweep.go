package broker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/task"
)

const sweepBatch = 100

// swept is what one step of sweeping a queue has done.
type swept struct {
	wait    time.Duration // until the next one is due; 0 if more are, negative if there is none
	place   int64         // where the next step goes on
	expired []string      // types of the tasks that have expired
	damaged []any
}

// sweepOnce deals with some of what is due in a queue, and leaves Redis time for others.
func sweepOnce(ctx context.Context, rdb redis.Scripter, queue string, place int64) (swept, error) {
	keys := []string{expiresKey(queue), pendingKey(queue), completedKey(queue)}
	reply, err := sweepScript.run(ctx, rdb, queue, keys, sweepBatch, place).Slice()
	if err != nil {
		return swept{}, wrap(err)
	}
	next, _ := reply[1].(int64)
	return swept{wait: millis(reply[0]), place: next, expired: typesOf(reply[2]), damaged: reply[3:]}, nil
}

// sweep ends all that has expired in a queue, and says what it has ended.
func sweep(
	ctx context.Context, rdb redis.Scripter, queue string, ended func(taskType, queue string, as task.State),
) error {
	var step swept
	for {
		var err error
		if step, err = sweepOnce(ctx, rdb, queue, step.place); err != nil {
			return err
		}
		for _, taskType := range step.expired {
			ended(taskType, queue, task.Expired)
		}
		if step.wait != 0 || len(step.expired) == 0 && step.place == 0 {
			return nil // what has been kept long enough is dropped in time
		}
	}
}

// longestWait bounds what is heard of the next time that something is due, which may be thousands of years away.
const longestWait = 24 * time.Hour

// millis is a reply in ms as a duration.
func millis(reply any) time.Duration {
	ms, _ := reply.(int64)
	return time.Duration(min(ms, longestWait.Milliseconds())) * time.Millisecond
}
