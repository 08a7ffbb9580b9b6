package worker

import (
	"context"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/script"
)

// forward moves tasks of a queue whose time has come.
func (m *maintainer) forward(ctx context.Context, u *upkeep) (time.Duration, error) {
	done, err := script.Forward(ctx, m.rdb, u.name)
	m.logDamaged(u.name, done.Damaged)
	return done.Wait, err
}
