// Package tasks is the part of the HTTP API for tasks and their types.
package tasks

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

// Store is where the tasks are. Its errors have a task.Code.
type Store interface {
	// Now returns the time that deadlines and expiry times of requests are compared with.
	Now() time.Time
	Enqueue(ctx context.Context, t *task.Task) error
	EnqueueAll(ctx context.Context, tasks []*task.Task) []error
	// EnqueueOnce enqueues one task for all requests with the same idempotency key, and reports whether an earlier request
	// has enqueued it. It waits up to limit for the end of the task.
	EnqueueOnce(
		ctx context.Context, request catalog.Idempotency, prepare func(now time.Time) (*task.Task, error), limit time.Duration,
	) (*task.Task, bool, error)
	Get(ctx context.Context, id string) (*task.Task, error)
	Wait(ctx context.Context, id string) (*task.Task, error)
	// EnqueueAndWait enqueues the task and waits up to limit for its end.
	EnqueueAndWait(ctx context.Context, t *task.Task, limit time.Duration) (*task.Task, error)
	// Follow returns a channel of the current task, and of the task after each change. It is closed when the task is gone. stop must
	// be called.
	Follow(ctx context.Context, id string) (updates <-chan *task.Task, stop func(), err error)
	List(ctx context.Context, f fleet.Filter, cursor string, limit int) (fleet.Page, error)
	Cancel(ctx context.Context, id string) (*task.Task, error)
	Retry(ctx context.Context, id string) (*task.Task, error)
	Run(ctx context.Context, id string) (*task.Task, error)
	Delete(ctx context.Context, id string) error
	// Bulk takes an action on many tasks. Its result counts the tasks until an error, if there is one.
	Bulk(ctx context.Context, change fleet.Bulk) (fleet.BulkResult, error)
}

// Config holds the stores and limits of the routes.
type Config struct {
	Tasks Store
	Types *catalog.Catalog
	// Schemas are those of the OpenAPI document.
	Schemas huma.Registry
	// Prefix is the path that the API is served below.
	Prefix string
	// MaxWaiters bounds the requests that wait for a task or follow one; more are answered with 429. Default: 10,000.
	MaxWaiters int
	// Heartbeat is the time without events after which a stream gets a comment, and how long its client may take to receive
	// an event before the stream is closed. Default: 15 s.
	Heartbeat time.Duration
	// Stopping is closed when the server stops, which ends streams of events; nil: it never stops.
	Stopping <-chan struct{}
	Logger   *slog.Logger
}

// API serves tasks and their types.
type API struct {
	Config
	requests *requestReader
	bulks    *rest.BodyReader[bulkRequest]
	waits    waits
}

// New returns the API of a store.
func New(cfg Config) *API {
	cfg.MaxWaiters = cmp.Or(cfg.MaxWaiters, defaultMaxWaiters)
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, defaultHeartbeat)
	return &API{
		Config: cfg, waits: make(waits, cfg.MaxWaiters), requests: newRequestReader(cfg.Types, cfg.Schemas),
		bulks: rest.NewBodyReader[bulkRequest](cfg.Schemas, "BulkRequest"),
	}
}

// Routes returns the routes of tasks and their types.
func (a *API) Routes() []rest.Route {
	return slices.Concat(a.creationRoutes(), a.taskRoutes(), a.eventRoutes(), a.batchRoutes(), a.bulkRoutes(), a.typeRoutes())
}
