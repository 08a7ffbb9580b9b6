package broker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/task"
)

const (
	tidyInterval = time.Second
	// outagePause is how much longer a background loop waits after a call that failed: each call to a Redis that is away
	// costs a connection that is not made.
	outagePause = 2 * time.Second
	sweepBatch  = 100
)

// keepTidy ends what has expired in a queue, and drops what has been kept long enough. Every worker does it, and no two
// can do it twice.
func (s *Server) keepTidy(ctx context.Context, queue string) {
	for pause(ctx, tidyInterval) {
		if err := sweep(ctx, s.rdb, queue, s.cfg.Meter.Ended); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Debug("queue not swept", "queue", queue, "error", err)
			pause(ctx, outagePause)
		}
	}
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
		if !pause(ctx, announceInterval) {
			return
		}
	}
}

// keepCancellations ends running tasks whose cancellation nobody heard.
func (s *Server) keepCancellations(ctx context.Context) {
	for pause(ctx, tidyInterval) {
		s.repeatCancellations(ctx)
	}
}

// sweep deals with all that is due in a queue, in steps that leave Redis time for others, and says what it has ended.
func sweep(
	ctx context.Context, rdb redis.Scripter, queue string, ended func(taskType, queue string, as task.State),
) error {
	for {
		reply, err := sweepScript.run(ctx, rdb, queue, []string{expiresKey(queue)}, sweepBatch).Slice()
		if err != nil {
			return wrap(err)
		}
		for _, taskType := range typesOf(reply[1]) {
			ended(taskType, queue, task.Expired)
		}
		if n, _ := reply[0].(int64); n == 0 {
			return nil
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
