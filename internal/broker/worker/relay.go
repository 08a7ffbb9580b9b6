package worker

import (
	"context"
	"time"
)

// relay makes tasks of the callbacks in the outbox of a queue: of those that were read the last time. It reads the next ones.
func (m *maintainer) relay(ctx context.Context, u *upkeep) (time.Duration, error) {
	next, err := m.callbacks.Step(ctx, u.name, u.deliveries)
	u.deliveries = next.Deliveries
	if err != nil {
		return 0, err
	}
	m.logDamaged(u.name, next.Damaged)
	if len(next.Deliveries) > 0 {
		return 0, nil
	}
	return -1, nil
}
