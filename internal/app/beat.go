package app

import (
	"context"

	"github.com/backbeat-go/backbeat/config"
)

// addBeat adds beat, which has nothing to fire yet: this version knows no schedules.
func (a *App) addBeat(cfg *config.Config, dial dialer) error {
	rdb := dial.client()
	a.addAdmin("beat admin", cfg.Beat.AdminAddr, rdb)
	a.add(part{
		name: "beat",
		start: func(ctx context.Context) error {
			if err := awaitRedis(ctx, rdb, a.logger); err != nil {
				return err
			}
			a.logger.Info("beat has no schedules to fire: this version has none yet")
			return nil
		},
		stop: func() { _ = rdb.Close() }, // nothing more to be done with it
	})
	return nil
}
