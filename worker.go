package backbeat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/internal/broker/setup"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/enqueue"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/startstop"
	"github.com/backbeat-go/backbeat/internal/typestore"
	"github.com/backbeat-go/backbeat/task"
)

// WorkerConfig says what a worker runs, and how. The zero value is a worker as the programs' configuration has it.
type WorkerConfig struct {
	// Queues are the queues that the worker serves, with their weights: the share of each where they compete, or its rank
	// with StrictPriority. Default: critical 6, default 3, low 1.
	Queues map[string]int
	// StrictPriority empties a queue of a higher weight before it looks at the next. Default: shares by weight.
	StrictPriority bool
	// Concurrency is how many tasks run at once. Default: 64.
	Concurrency int
	// ShutdownTimeout is how long Run waits for running tasks at the end, before it hands them back. Default: 30 s.
	ShutdownTimeout time.Duration
	// MaxResultBytes bounds a result as JSON; a larger one fails its task for good. Default: 1 MiB.
	MaxResultBytes int
	// Middleware is put around the handlers of all types, the first outermost.
	Middleware []task.Middleware
	// OnFailure is called with each attempt that failed. Default: nothing is.
	OnFailure task.FailureHook
	// Logger is where the worker logs to. Default: slog.Default().
	Logger *slog.Logger
}

func (c WorkerConfig) withDefaults() WorkerConfig {
	if len(c.Queues) == 0 {
		c.Queues = enqueue.DefaultQueues()
	}
	c.Concurrency = cmp.Or(c.Concurrency, 64)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, 30*time.Second)
	c.MaxResultBytes = cmp.Or(c.MaxResultBytes, 1<<20)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func (c *WorkerConfig) check() error {
	var errs []error
	for name, weight := range c.Queues {
		if name == "" || weight < 1 {
			errs = append(errs, fmt.Errorf("queue %q has the weight %d; it must have a name, and a weight of 1 or more", name, weight))
		}
	}
	if c.Concurrency < 1 {
		errs = append(errs, fmt.Errorf("concurrency is %d; it must be 1 or more", c.Concurrency))
	}
	return errors.Join(errs...)
}

// stopGrace is how long after ShutdownTimeout a worker has stopped at the latest.
const stopGrace = 10 * time.Second

// Worker runs tasks. Several may run in one process.
type Worker struct {
	server *worker.Server
	client *Client
	parts  *startstop.Sequence
	ready  chan struct{}
}

// NewWorker returns a worker for the types of sets: handlers, such as those that Definition.Handle returns, and sets of them.
// The connection stays the caller's to close, after Run or, if the worker does not run, after Close. It returns an error for a queue without a name or a weight, for
// two handlers of one type, and for a type whose schemas are too large to be registered.
//
// A worker leaves callbacks to the workers of package program, which sign them.
func NewWorker(rdb redis.UniversalClient, cfg WorkerConfig, sets ...task.Set) (*Worker, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	rdb = withoutRetries(rdb)
	w := &Worker{parts: startstop.NewSequence(cfg.ShutdownTimeout+stopGrace, cfg.Logger), ready: make(chan struct{})}
	w.client = NewClient(rdb, WithQueues(slices.Collect(maps.Keys(cfg.Queues))...))
	w.parts.Add("client", startstop.Closer(w.client.Close))
	if err := w.build(rdb, cfg, sets); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// build adds what runs tasks.
func (w *Worker) build(rdb redis.UniversalClient, cfg WorkerConfig, sets []task.Set) error {
	handlers, err := catalog.Handlers(append([]task.Middleware{client.Middleware(w.client)}, cfg.Middleware...), sets...)
	if err != nil {
		return err
	}
	w.server = worker.New(rdb, worker.Config{
		Types:           w.client.types,
		Handlers:        handlers,
		Queues:          queuesOf(cfg.Queues),
		StrictPriority:  cfg.StrictPriority,
		Concurrency:     cfg.Concurrency,
		MaxResultBytes:  cfg.MaxResultBytes,
		ShutdownTimeout: cfg.ShutdownTimeout,
		Failed:          cfg.OnFailure,
		Fatal:           w.parts.Fail,
		Logger:          cfg.Logger,
	})
	w.parts.Add("worker", startstop.New(func(ctx context.Context) error {
		if err := setup.Await(ctx, rdb, cfg.Logger); err != nil {
			return err
		}
		return w.server.Start(ctx)
	}, func(ctx context.Context) { startstop.Wait(ctx, w.server.Stop) }))
	types, err := typestore.NewRegistration(rdb, typestore.RegistrationConfig{
		Worker: w.server.ID(), Handlers: handlers, SDK: typestore.SDK(), TTL: typesTTL, Logger: cfg.Logger,
	})
	if err != nil {
		return err
	}
	w.parts.Add("registration of task types", types) // stopped first: nothing is to count on a worker that takes no more tasks
	return nil
}

// withoutRetries returns a client on the same connections that sends no command twice by itself: a fetch that is repeated
// takes two tasks.
func withoutRetries(rdb redis.UniversalClient) redis.UniversalClient {
	single, ok := rdb.(*redis.Client)
	if !ok || single.Options().MaxRetries <= 0 {
		return rdb // a cluster's nodes are not asked twice
	}
	clone := single.WithTimeout(single.Options().ReadTimeout) // which has options of its own
	clone.Options().WriteTimeout = single.Options().WriteTimeout
	clone.Options().MaxRetries = 0
	return clone
}

func queuesOf(weights map[string]int) []fleet.Queue {
	queues := make([]fleet.Queue, 0, len(weights))
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		queues = append(queues, fleet.Queue{Name: name, Weight: weights[name]})
	}
	slices.SortStableFunc(queues, func(a, b fleet.Queue) int { return b.Weight - a.Weight })
	return queues
}

// ID names the worker, as client.Task.Worker does: host:pid:random.
func (w *Worker) ID() string { return w.server.ID() }

// Client returns the worker's own client, which is closed when Run ends.
func (w *Worker) Client() *Client { return w.client }

// Ready is closed when the worker runs tasks.
func (w *Worker) Ready() <-chan struct{} { return w.ready }

// Run waits until Redis answers and runs tasks until ctx ends or Close is called. Then it waits up to ShutdownTimeout for the
// tasks that run, requeues the others, which spends no attempt, and returns nil; 10 s after ShutdownTimeout at the latest. It
// returns an error if it cannot work with this Redis, or with the version of asynq in the program's go.mod. It
// may be called once; another call returns an error.
func (w *Worker) Run(ctx context.Context) error {
	return w.parts.Run(ctx, func() { close(w.ready) })
}

// Close ends Run as the end of its context does, and waits for that. Without Run it releases what NewWorker has made, and a later
// Run returns nil at once. It may be called more than once, at any time.
func (w *Worker) Close() { w.parts.Stop(context.Background()) }
