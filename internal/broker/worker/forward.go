package worker

import (
	"context"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

const forwardBatch = 500

// forward moves tasks of a queue whose time has come.
func (m *maintainer) forward(ctx context.Context, u *upkeep) (time.Duration, error) {
	keys := []string{wire.DueKey(u.name), wire.ScheduledKey(u.name), wire.RetryKey(u.name)}
	reply, err := script.ForwardScript.Run(ctx, m.rdb, u.name, keys, forwardBatch).Slice()
	if err != nil {
		return 0, err
	}
	m.logDamaged(u.name, reply[1:])
	return script.Millis(reply[0]), nil
}
