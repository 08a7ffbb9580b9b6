package program

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/startstop"
	"github.com/backbeat-go/backbeat/internal/telemetry"
)

// App is a program. It runs once, from Run to the end of Run's context or to Stop.
type App struct {
	name    string
	options options
	logger  *slog.Logger
	types   *catalog.Catalog
	metrics *telemetry.Metrics
	client  atomic.Pointer[backbeat.Client]
	// typesLoaded is closed when types has for the first time those of workers.
	typesLoaded <-chan struct{}
	// parts are added as soon as they are made, so that a New that fails closes what it has opened.
	parts *startstop.Sequence
	ready chan struct{} // closed when all parts have started
	mount *mount
	// attrs say in the ready line where the program can be reached.
	attrs []any
}

const (
	// requestGrace is how long requests in progress may take to end once the program is told to stop. Those that wait
	// for a task are answered after shortRequest.
	requestGrace = 10 * time.Second
	shortRequest = 500 * time.Millisecond
	// stopGrace is for everything else that ends then, such as tasks that a worker requeues.
	stopGrace = 4 * time.Second
)

// stopTimeout returns how long a program may take to stop.
func stopTimeout(p Program, cfg *config.Config) time.Duration {
	if p == Worker || p == Standalone {
		return cfg.Worker.ShutdownTimeout + requestGrace + stopGrace
	}
	return requestGrace + stopGrace
}

func newApp(p Program, cfg *config.Config, o options) *App {
	return &App{
		name: string(p), options: o, logger: o.logger,
		parts: startstop.NewSequence(stopTimeout(p, cfg), o.logger), ready: make(chan struct{}), mount: newMount(),
	}
}

// own has a client of Redis closed at the end, after all that is added later has stopped.
func (a *App) own(rdb redis.UniversalClient) redis.UniversalClient {
	a.parts.Add("redis client", startstop.Closer(func() { _ = rdb.Close() })) // nothing can be done about an error
	return rdb
}

// Ready is closed when the program serves.
func (a *App) Ready() <-chan struct{} { return a.ready }

// Client returns a client on the program's Redis, which is closed when Run ends. A standalone that starts a Redis of its own
// has it once Ready is closed, and nil before.
func (a *App) Client() *backbeat.Client { return a.client.Load() }

// Run starts the program and stops it when ctx ends or Stop is called, for which it returns nil. It returns an error if the
// program does not start or cannot go on. It may be called once; another call returns an error.
//
// Stopping takes 14 s at most, and worker.shutdown_timeout more where there is a worker.
func (a *App) Run(ctx context.Context) error {
	return a.parts.Run(ctx, func() {
		close(a.ready)
		telemetry.Ready(a.logger, append([]any{"program", a.name, "version", Version()}, a.attrs...)...)
	})
}

// Stop ends Run and waits until everything has stopped, as long as Run would and until ctx ends at the latest. Without Run it closes
// what New has opened, and a later Run returns nil at once. It may be called more than once, at any time.
func (a *App) Stop(ctx context.Context) { a.parts.Stop(ctx) }
