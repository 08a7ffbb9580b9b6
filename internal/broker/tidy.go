package broker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/task"
)

const (
	tidyInterval = time.Second
	sweepBatch   = 100
)

// sweep ends what has expired in a queue, and drops what has been kept long enough, together if that is within a second.
func (m *maintainer) sweep(ctx context.Context, u *upkeep) (time.Duration, error) {
	swept, err := sweepOnce(ctx, m.rdb, u.name, u.sweepPlace)
	if err != nil {
		return 0, err
	}
	u.sweepPlace = swept.place
	for _, taskType := range swept.expired {
		m.cfg.Meter.Ended(taskType, u.name, task.Expired)
	}
	m.logDamaged(u.name, swept.damaged)
	if swept.wait > 0 {
		return max(swept.wait, tidyInterval), nil
	}
	return swept.wait, nil
}

// keepAnnounced tells asynq's tools which queues there are: at the start, and again and again, for somebody may empty
// Redis or delete a queue.
func (s *Server) keepAnnounced(ctx context.Context) {
	names := make([]any, len(s.cfg.Queues))
	for i, q := range s.cfg.Queues {
		names[i] = q.Name
	}
	for {
		if err := s.rdb.SAdd(ctx, asynqQueues, names...).Err(); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Debug("queues not announced", "error", err)
		}
		if !pause.For(ctx, announceInterval) {
			return
		}
	}
}

// keepCancellations ends running tasks whose cancellation nobody heard.
func (s *Server) keepCancellations(ctx context.Context) {
	for pause.For(ctx, tidyInterval) {
		s.repeatCancellations(ctx)
	}
}

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

// repeatCancellations publishes once more what asynq's subscriber in this process did not hear, because it was
// just reconnecting or the task was not running yet.
func (s *Server) repeatCancellations(ctx context.Context) {
	running := s.lane.running()
	asked := make(map[string]bool)
	for r := range running {
		asked[r.queue] = true
	}
	for queue := range asked {
		ids, err := s.rdb.SMembers(ctx, cancelingKey(queue)).Result()
		if err != nil {
			continue
		}
		for _, id := range ids {
			if running[ref{queue, id}] != nil {
				s.rdb.Publish(ctx, asynqCancelChannel, id)
			}
		}
	}
}
