package broker

import (
	"context"
	"time"
)

const forwardBatch = 500

// forward moves tasks of a queue whose time has come.
func (m *maintainer) forward(ctx context.Context, u *upkeep) (time.Duration, error) {
	keys := []string{dueKey(u.name), scheduledKey(u.name), retryKey(u.name)}
	reply, err := forwardScript.run(ctx, m.rdb, u.name, keys, forwardBatch).Slice()
	if err != nil {
		return 0, err
	}
	m.logDamaged(u.name, reply[1:])
	return millis(reply[0]), nil
}
