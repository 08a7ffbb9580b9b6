// Package schedules is the part of the HTTP API for schedules.
package schedules

import (
	"context"
	"log/slog"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// Tasks takes the tasks of triggered runs. Its errors have a task.Code.
type Tasks interface {
	Enqueue(ctx context.Context, t *task.Task) error
	// States returns the states of tasks, "" for those that are gone.
	States(ctx context.Context, ids []string) ([]task.State, error)
}

// API serves schedules.
type API struct {
	Schedules schedule.Store
	Tasks     Tasks
	Types     *catalog.Catalog
	// Schemas are those of the OpenAPI document.
	Schemas huma.Registry
	// Prefix is the path that the API is served below.
	Prefix string
	Logger *slog.Logger
}

// Routes returns the routes of schedules.
func (a *API) Routes() []rest.Route {
	return slices.Concat(a.editRoutes(), a.readRoutes(), a.controlRoutes())
}
