package backbeat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/internal/broker/setup"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/enqueue"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/typestore"
	"github.com/backbeat-go/backbeat/task"
	"github.com/redis/go-redis/v9"
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

// Worker runs tasks. Several may run in one process.
type Worker struct {
	cfg    WorkerConfig
	rdb    redis.UniversalClient
	server *worker.Server
	client *Client
	types  *typestore.Registration
	ready  chan struct{}
}

// NewWorker returns a worker for the types of sets: handlers, such as those that Definition.Handle returns, and sets of them.
// The connection stays the caller's to close, after Run. It returns an error for a queue without a name or a weight, for
// two handlers of one type, and for a type whose schemas are too large to be registered.
//
// A worker leaves callbacks to the workers of package program, which sign them.
func NewWorker(rdb redis.UniversalClient, cfg WorkerConfig, sets ...task.Set) (*Worker, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	rdb = withoutRetries(rdb)
	q := NewClient(rdb, WithQueues(slices.Collect(maps.Keys(cfg.Queues))...))
	handlers, err := catalog.Handlers(append([]task.Middleware{client.Middleware(q)}, cfg.Middleware...), sets...)
	if err != nil {
		return nil, err
	}
	server := worker.New(rdb, worker.Config{
		Types:           q.types,
		Handlers:        handlers,
		Queues:          queuesOf(cfg.Queues),
		StrictPriority:  cfg.StrictPriority,
		Concurrency:     cfg.Concurrency,
		MaxResultBytes:  cfg.MaxResultBytes,
		ShutdownTimeout: cfg.ShutdownTimeout,
		Failed:          cfg.OnFailure,
		Logger:          cfg.Logger,
	})
	types, err := typestore.NewRegistration(rdb, typestore.RegistrationConfig{
		Worker: server.ID(), Handlers: handlers, SDK: typestore.SDK(), TTL: typesTTL, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &Worker{cfg, rdb, server, q, types, make(chan struct{})}, nil
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

// Run waits until Redis answers, runs tasks until ctx ends, and then waits for those that run, for ShutdownTimeout at most;
// what still runs then is handed back and spends no attempt. It returns nil after that, and an error if Redis is none that can
// be worked with. It may be called once.
func (w *Worker) Run(ctx context.Context) error {
	defer w.client.Close()
	if err := setup.Await(ctx, w.rdb, w.cfg.Logger); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := w.server.Start(ctx); err != nil {
		return err
	}
	w.types.Start(ctx)
	var registered sync.WaitGroup
	registered.Go(func() { w.types.Run(ctx) }) // until ctx ends: nothing is to count on a worker that takes no more tasks
	close(w.ready)
	<-ctx.Done()
	w.server.Stop()
	registered.Wait()
	return nil
}
