package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/task"
)

const (
	recoverInterval = time.Second
	// doubt is how long a worker has said nothing when its leases are watched. It extends them every 5 s.
	doubt = 9 * time.Second
	// silence is for how long a watched lease must stay as it is for its worker to be dead. The clocks of two machines
	// may differ by more than any lease lasts; but a worker that lives changes its leases, whatever its clock says.
	silence = 6 * time.Second
	// grace is how long Redis must have answered before anybody is taken to be dead: after an outage nobody has
	// extended anything.
	grace = 12 * time.Second
	// maxCrashes is how many workers may die with a task before it fails.
	maxCrashes = 3
	watchLimit = 1000
)

// watched is a lease that should have been extended by now.
type watched struct {
	lease float64
	since time.Time
}

// recover puts the tasks of a queue back whose workers have died, and ends those that workers die of.
func (s *Server) recover(ctx context.Context, queue string) {
	watch := make(map[ref]watched)
	var answersSince time.Time
	for pause(ctx, recoverInterval) {
		now := time.Now()
		dead, err := s.watchLeases(ctx, queue, watch, now)
		if err == nil && !answersSince.IsZero() && now.Sub(answersSince) >= grace {
			err = s.recoverTasks(ctx, queue, dead)
		}
		switch {
		case err != nil:
			if ctx.Err() == nil {
				s.cfg.Logger.Debug("lost tasks not looked for", "queue", queue, "error", err)
			}
			clear(watch)
			answersSince = time.Time{}
			pause(ctx, recoverInterval)
		case answersSince.IsZero():
			answersSince = now
		}
	}
}

// watchLeases looks at the leases of a queue that should have been extended, and returns the ids and leases, in turn,
// of those that have not been for long enough. Most of the time there is none to look at.
func (s *Server) watchLeases(ctx context.Context, queue string, watch map[ref]watched, now time.Time) ([]any, error) {
	late, err := s.rdb.ZRangeByScoreWithScores(ctx, leaseKey(queue), &redis.ZRangeBy{
		Min: "-inf", Max: strconv.FormatInt(now.Add(leaseDuration-doubt).Unix(), 10), Count: watchLimit,
	}).Result()
	if err != nil {
		return nil, err
	}
	var dead []any
	seen := make(map[ref]bool, len(late))
	for _, z := range late {
		id, _ := z.Member.(string)
		r := ref{queue, id}
		seen[r] = true
		w, known := watch[r]
		if !known || w.lease != z.Score {
			watch[r] = watched{z.Score, now}
		} else if now.Sub(w.since) >= silence {
			dead = append(dead, id, formatScore(z.Score))
		}
	}
	for r := range watch {
		if r.queue == queue && !seen[r] {
			delete(watch, r)
		}
	}
	return dead, nil
}

func (s *Server) recoverTasks(ctx context.Context, queue string, dead []any) error {
	args := append([]any{maxCrashes}, dead...)
	reply, err := recoverScript.run(ctx, s.rdb, queue, []string{activeKey(queue), leaseKey(queue)}, args...).Slice()
	if err != nil {
		return err
	}
	back := typesOf(reply[0])
	if len(back) > 0 {
		s.cfg.Logger.Warn("put tasks of a dead worker back", "queue", queue, "tasks", len(back))
	}
	for _, taskType := range back {
		s.cfg.Meter.Crashed(taskType, queue)
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
	s.cfg.Meter.Crashed(a.message.Type, queue)
	a.failure = task.Failure{Message: fmt.Sprintf("its worker died %d times", maxCrashes), Kind: task.KindCrashed}
	return s.lane.acks.write(a)
}
