package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/internal/task"
)

const (
	recoverInterval = time.Second
	// silence is how long a worker has said nothing when it is taken to be dead. It speaks every 5 s.
	silence = 12 * time.Second
	// maxCrashes is how many workers may die with a task before it fails.
	maxCrashes = 3
)

// recover puts the tasks of dead workers back, and ends those that workers die of. After an outage of Redis every
// worker looks dead; so nobody is taken to be before Redis has answered for as long as a live one needs to speak.
func (s *Server) recover(ctx context.Context) {
	var answersSince time.Time
	for pause(ctx, recoverInterval) {
		if s.rdb.Ping(ctx).Err() != nil {
			answersSince = time.Time{}
			continue
		}
		now := time.Now()
		if answersSince.IsZero() {
			answersSince = now
		}
		if now.Sub(answersSince) < silence {
			continue
		}
		for _, q := range s.cfg.Queues {
			if err := s.recoverQueue(ctx, q.Name, now); err != nil && ctx.Err() == nil {
				s.cfg.Logger.Warn("lost tasks not recovered", "queue", q.Name, "error", err)
				answersSince = time.Time{}
			}
		}
	}
}

func (s *Server) recoverQueue(ctx context.Context, queue string, now time.Time) error {
	reply, err := recoverScript.run(ctx, s.rdb, queue, now, []string{activeKey(queue), leaseKey(queue)},
		now.Add(leaseDuration-silence).Unix(), now.Add(leaseDuration).Unix(), maxCrashes).Slice()
	if err != nil {
		return err
	}
	if back, _ := reply[0].(int64); back > 0 {
		s.cfg.Logger.Warn("put tasks of a dead worker back", "queue", queue, "tasks", back)
	}
	for i := 1; i+2 < len(reply); i += 3 {
		id, _ := reply[i].(string)
		raw, _ := reply[i+1].(string)
		number, _ := reply[i+2].(string)
		if err := s.endCrashed(queue, id, raw, atoi(number)); err != nil {
			return err
		}
	}
	return nil
}

// endCrashed ends a task that has had its last crash.
func (s *Server) endCrashed(queue, id, raw string, number int) error {
	s.cfg.Logger.Error("task has failed: its worker died again and again", "task", id, "queue", queue)
	a := &attempt{queue: queue, id: id, raw: raw, number: number, ended: true, outcome: task.Failed}
	var err error
	if a.message, err = decodeMessage([]byte(raw)); err != nil {
		a.message = &message{}
	}
	a.failure = task.Failure{Message: fmt.Sprintf("its worker died %d times", maxCrashes), Kind: task.KindCrashed}
	return s.lane.acks.write(a)
}
