package worker

import (
	"context"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/task"
)

const (
	tidyInterval = time.Second
	// announceInterval is how often asynq's tools are told again which queues there are.
	announceInterval = 5 * time.Second
)

// sweep ends what has expired in a queue, and drops what has been kept long enough, together if that is within a second.
func (m *maintainer) sweep(ctx context.Context, u *upkeep) (time.Duration, error) {
	swept, err := script.Sweep(ctx, m.rdb, u.name, u.sweepPlace)
	if err != nil {
		return 0, err
	}
	u.sweepPlace = swept.Place
	for _, taskType := range swept.Expired {
		m.cfg.Meter.Ended(taskType, u.name, task.Expired)
	}
	m.logDamaged(u.name, swept.Damaged)
	if swept.Wait > 0 {
		return max(swept.Wait, tidyInterval), nil
	}
	return swept.Wait, nil
}

// keepAnnounced tells asynq's tools which queues there are: at the start, and again and again, for somebody may empty
// Redis or delete a queue.
func (s *Server) keepAnnounced(ctx context.Context) {
	names := make([]any, len(s.cfg.Queues))
	for i, q := range s.cfg.Queues {
		names[i] = q.Name
	}
	for {
		if err := s.rdb.SAdd(ctx, wire.AsynqQueues, names...).Err(); err != nil && ctx.Err() == nil {
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

// repeatCancellations publishes once more what asynq's subscriber in this process did not hear, because it was
// just reconnecting or the task was not running yet.
func (s *Server) repeatCancellations(ctx context.Context) {
	running := s.interceptor.Running()
	asked := make(map[string]bool)
	for r := range running {
		asked[r.Queue] = true
	}
	for queue := range asked {
		ids, err := s.rdb.SMembers(ctx, wire.CancelingKey(queue)).Result()
		if err != nil {
			continue
		}
		for _, id := range ids {
			if running[wire.Ref{Queue: queue, ID: id}] != nil {
				s.rdb.Publish(ctx, wire.AsynqCancelChannel, id)
			}
		}
	}
}
