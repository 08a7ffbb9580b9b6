// Package fleet is the part of the HTTP API that shows the deployment: queues, workers, the beat, health and metrics.
package fleet

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/internal/lease"
)

// Tasks are the queues and workers. Its errors have a task.Code.
type Tasks interface {
	Queues(ctx context.Context) ([]fleet.QueueStatus, error)
	Queue(ctx context.Context, name string) (*fleet.QueueStatus, error)
	Pause(ctx context.Context, queue string) error
	Resume(ctx context.Context, queue string) error
	Workers(ctx context.Context) ([]fleet.WorkerStatus, error)
	Ping(ctx context.Context) error
}

// Beats shows the processes of the beat.
type Beats interface {
	// Leadership returns the leader, nil if there is none, and the standbys. Its errors have a task.Code.
	Leadership(ctx context.Context) (leader *lease.Holder, standbys []lease.Holder, err error)
}

// Schedules counts schedules.
type Schedules interface {
	// Count returns how many schedules there are, and when the first of them is due.
	Count(ctx context.Context) (n int, next time.Time, err error)
}

// API shows the deployment.
type API struct {
	Tasks     Tasks
	Beats     Beats
	Schedules Schedules
	// Metrics serves /metrics; nil: there is no such route.
	Metrics http.Handler
}

// Routes returns the routes.
func (a *API) Routes() []rest.Route {
	return slices.Concat(a.queueRoutes(), a.workerRoutes(), a.beatRoutes(), a.healthRoutes(), a.metricsRoutes())
}
