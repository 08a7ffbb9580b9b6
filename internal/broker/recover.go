package broker

import (
	"context"
	"fmt"
	"time"
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
	dead, err := m.recovery.look(ctx, u.name, u.leases, now)
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
	if len(u.leases) > 0 || m.recovery.orphanPlace(u.name) > 0 || now.Sub(since) < grace {
		return recoverInterval, nil
	}
	return -1, nil
}

// restore puts tasks of dead workers back, and ends those that have had their last crash.
func (m *maintainer) restore(ctx context.Context, queue string, dead []any) error {
	done, err := m.recovery.restore(ctx, queue, dead)
	if err != nil {
		return err
	}
	if len(done.types) > 0 {
		m.cfg.Logger.Warn("put tasks of a dead worker back", "queue", queue, "tasks", len(done.types))
	}
	for _, taskType := range done.types {
		m.cfg.Meter.Crashed(taskType, queue)
	}
	m.logDamaged(queue, done.damaged)
	for _, c := range done.crashed {
		if err := m.endCrashed(queue, c); err != nil {
			return err
		}
	}
	return nil
}

// endCrashed ends a task that has had its last crash.
func (m *maintainer) endCrashed(queue string, c crashed) error {
	m.cfg.Logger.Error("task has failed: its worker died again and again", "task", c.id, "queue", queue)
	a := newCrashed(queue, c.id, c.message, c.attempt, fmt.Sprintf("its worker died %d times", maxCrashes))
	m.cfg.Meter.Crashed(a.message.Type, queue)
	return m.lane.finishCrashed(a)
}
