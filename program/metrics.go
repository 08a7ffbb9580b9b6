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
func (a *App) measure(cfg *config.Config) {
	var types []string
	for _, t := range a.types.Types() {
		types = append(types, t.Name)
	}
	a.metrics = telemetry.NewMetrics(Version(), types, cfg.Queues.Names(), a.logger)
}

// countIn returns how many schedules a store has.
func countIn(store schedule.Store) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		n, _, err := store.Count(ctx)
		return n, err
	}
}
