package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/task"
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
func (m *maintainer) recover(ctx context.Context, u *upkeep) (time.Duration, error) {
	m.mu.Lock()
	since := u.answersSince
	m.mu.Unlock()
	if since.IsZero() {
		clear(u.leases)
		return recoverInterval, nil
	}
	now := time.Now()
	dead, err := m.watchLeases(ctx, u.name, u.leases, now)
	if err == nil && now.Sub(since) >= grace {
		err = m.recoverTasks(ctx, u.name, dead)
	}
	if err != nil {
		clear(u.leases)
		m.mu.Lock()
		u.answersSince = time.Time{}
		m.mu.Unlock()
		return 0, err
	}
	if len(u.leases) > 0 || m.orphanPlace(u.name) > 0 || now.Sub(since) < grace {
		return recoverInterval, nil
	}
	return -1, nil
}

// watchLeases looks at the leases of a queue that should have been extended by now, and returns the ids and leases, in turn,
// of those that have not been for long enough. Most of the time there is none to look at.
func (s *Server) watchLeases(ctx context.Context, queue string, watch map[ref]watched, now time.Time) ([]any, error) {
	byRedis := now.Add(s.lane.clock.ahead())
	late, err := s.rdb.ZRangeByScoreWithScores(ctx, leaseKey(queue), &redis.ZRangeBy{
		Min: "-inf", Max: strconv.FormatInt(byRedis.Add(leaseDuration-doubt).Unix(), 10), Count: watchLimit,
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

// recoverTasks puts back tasks whose leases are not extended any more, and the next ones that have none.
func (s *Server) recoverTasks(ctx context.Context, queue string, dead []any) error {
	args := append([]any{maxCrashes, s.orphanPlace(queue)}, dead...)
	reply, err := recoverScript.run(ctx, s.rdb, queue, []string{activeKey(queue), leaseKey(queue)}, args...).Slice()
	if err != nil {
		return err
	}
	s.orphans.Store(queue, reply[0])
	back := typesOf(reply[1])
	if len(back) > 0 {
		s.cfg.Logger.Warn("put tasks of a dead worker back", "queue", queue, "tasks", len(back))
	}
	for _, taskType := range back {
		s.cfg.Meter.Crashed(taskType, queue)
	}
	damaged, _ := reply[2].([]any)
	s.logDamaged(queue, damaged)
	for i := 3; i+2 < len(reply); i += 3 {
		id, _ := reply[i].(string)
		raw, _ := reply[i+1].(string)
		number, _ := reply[i+2].(string)
		if err := s.endCrashed(queue, id, raw, atoi(number)); err != nil {
			return err
		}
	}
	return nil
}

// orphanPlace is how far recoverTasks has looked through the active list of a queue for tasks without a lease.
func (s *Server) orphanPlace(queue string) int64 {
	place, _ := s.orphans.Load(queue)
	n, _ := place.(int64)
	return n
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
