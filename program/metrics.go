package program

import (
	"context"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/internal/telemetry"
)

// Who puts tasks into queues, as the metrics call it.
const (
	sourceAPI  = "api"
	sourceBeat = "beat"
)

// measure makes the metrics that the programs of this process share.
func (a *App) measure(cfg *config.Config) error {
	known, err := a.options.types(cfg)
	if err != nil {
		return err
	}
	var types []string
	for _, t := range known.Types() {
		types = append(types, t.Name)
	}
	a.metrics = telemetry.NewMetrics(Version(), types, cfg.Queues.Names(), a.logger)
	return nil
}

// countIn returns how many schedules a store has.
func countIn(store schedule.Store) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		n, _, err := store.Count(ctx)
		return n, err
	}
}
