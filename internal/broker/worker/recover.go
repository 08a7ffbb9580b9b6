package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/intercept"
	"github.com/backbeat-go/backbeat/internal/broker/recovery"
	"github.com/backbeat-go/backbeat/internal/broker/script"
)

const (
	recoverInterval = time.Second
	// grace is how long Redis must have answered before a worker counts as dead: after an outage none has extended its leases.
	grace = 12 * time.Second
)

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
	dead, err := m.recovery.FindDead(ctx, u.name, u.leases, now)
	if err == nil && now.Sub(since) >= grace {
		err = m.restore(ctx, u.name, dead)
	}
	if err != nil {
		clear(u.leases)
		m.mu.Lock()
		u.answersSince = time.Time{}
		m.mu.Unlock()
		return 0, err
	}
	if len(u.leases) > 0 || m.recovery.OrphanPlace(u.name) > 0 || now.Sub(since) < grace {
		return recoverInterval, nil
	}
	return -1, nil
}

// restore puts tasks of dead workers back, and ends those that have had their last crash.
func (m *maintainer) restore(ctx context.Context, queue string, dead []script.DeadLease) error {
	done, err := m.recovery.Restore(ctx, queue, dead)
	if err != nil {
		return err
	}
	if len(done.Types) > 0 {
		m.cfg.Logger.Warn("put tasks of a dead worker back", "queue", queue, "tasks", len(done.Types))
	}
	for _, taskType := range done.Types {
		m.cfg.Meter.Crashed(taskType, queue)
	}
	m.logDamaged(queue, done.Damaged)
	for _, c := range done.Crashed {
		if err := m.endCrashed(queue, c); err != nil {
			return err
		}
	}
	return nil
}

// endCrashed ends a task that has had its last crash.
func (m *maintainer) endCrashed(queue string, c script.Crashed) error {
	m.cfg.Logger.Error("task has failed: its worker died again and again", "task", c.ID, "queue", queue)
	a := intercept.NewCrashed(queue, c.ID, c.Message, c.Attempt, fmt.Sprintf("its worker died %d times", recovery.MaxCrashes))
	m.cfg.Meter.Crashed(a.Message.Type, queue)
	return m.interceptor.FinishCrashed(a)
}
