package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

func TestMain(m *testing.M) {
	// go-redis dials a node that is away once more, up to a second after its client was closed.
	goleak.VerifyTestMain(redistest.Main{M: m},
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

var queues = []fleet.Queue{{Name: "critical", Weight: 6}, {Name: "default", Weight: 3}, {Name: "low", Weight: 1}}

// workshop is a real Redis, a client, and what the handlers of its workers do.
type workshop struct {
	t        *testing.T
	redis    *redistest.Server
	rdb      redis.UniversalClient
	client   *queue.Client
	registry *catalog.Catalog
	handlers map[string]*task.Handler
	runs     chan run // what handlers of type "block" started; they wait for their release
}

// run is a handler that has started and waits.
type run struct {
	info    task.RunInfo
	release chan error
}

type input struct {
	N int `json:"n"`
}

type output struct {
	N int `json:"n"`
}

// newFleet starts a Redis and a client, and knows these types: "echo" answers with its input; "fail" always fails
// and has one retry, at once; "block" waits until the test releases it or its context ends.
func newFleet(t *testing.T) *workshop {
	t.Helper()
	return newFleetOn(t, redistest.Start(t))
}

// newFleetAOF is newFleet with a Redis that survives being killed.
func newFleetAOF(t *testing.T) *workshop {
	t.Helper()
	return newFleetOn(t, redistest.Start(t, redistest.WithAOF()))
}

func newFleetOn(t *testing.T, server *redistest.Server) *workshop {
	t.Helper()
	f := &workshop{
		t:        t,
		redis:    server,
		rdb:      server.Connect(t),
		registry: catalog.New([]string{"critical", "default", "low"}, time.Hour),
		handlers: make(map[string]*task.Handler),
		runs:     make(chan run, 1000),
	}
	f.client = queue.NewClient(f.rdb, queues)
	t.Cleanup(f.client.Close)

	at := task.Retry(task.Backoff{})
	define(f, "echo", func(_ context.Context, in input) (output, error) { return output(in), nil })
	define(f, "fail", func(context.Context, input) (task.None, error) {
		return task.None{}, errors.New("no luck")
	}, task.MaxRetries(1), at)
	define(f, "block", func(ctx context.Context, in input) (output, error) {
		r := run{task.Info(ctx), make(chan error, 1)}
		f.runs <- r
		select {
		case err := <-r.release:
			return output(in), err
		case <-ctx.Done():
			return output{}, ctx.Err()
		}
	}, at)
	return f
}

func define[In, Out any](f *workshop, name string, h func(context.Context, In) (Out, error), opts ...task.Option) {
	f.t.Helper()
	d := task.Define[In, Out](name, opts...)
	if err := f.registry.Add(d.Type); err != nil {
		f.t.Fatal(err)
	}
	f.handlers[name] = d.Handle(h)
}

// worker starts a worker that stops with the test. Changes may set what its configuration lacks.
func (f *workshop) worker(changes ...func(*worker.Config)) *worker.Server {
	f.t.Helper()
	return f.startOn(f.redis.Connect(f.t, once), changes...)
}

// once are the options of a client that sends no command twice by itself.
func once(opts *redis.UniversalOptions) { opts.MaxRetries = -1 }

// stock is the fleet's Redis for what asynq runs.
func (f *workshop) stock() asynq.RedisConnOpt { return connector{f} }

type connector struct{ f *workshop }

// MakeRedisClient implements asynq.RedisConnOpt.
func (c connector) MakeRedisClient() any { return c.f.redis.Connect(c.f.t) }

// workerAt is worker with Redis at another address, behind a proxy say.
func (f *workshop) workerAt(addr string, changes ...func(*worker.Config)) *worker.Server {
	f.t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	f.t.Cleanup(func() { rdb.Close() })
	return f.startOn(rdb, changes...)
}

// startOn is worker with a connection of the caller's.
func (f *workshop) startOn(rdb redis.UniversalClient, changes ...func(*worker.Config)) *worker.Server {
	f.t.Helper()
	s := worker.New(rdb, f.config(changes...))
	if err := s.Start(f.t.Context()); err != nil {
		f.t.Fatalf("start the worker: %v", err)
	}
	f.t.Cleanup(s.Stop)
	return s
}

// config is the configuration of a worker.
func (f *workshop) config(changes ...func(*worker.Config)) worker.Config {
	cfg := worker.Config{
		Types:           f.registry,
		Handlers:        f.handlers,
		Queues:          queues,
		Concurrency:     8,
		ShutdownTimeout: 100 * time.Millisecond,
		Logger:          slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&cfg)
	}
	return cfg
}

// prepare completes a request as the API does.
func (f *workshop) prepare(req task.Request) *task.Task {
	f.t.Helper()
	if req.Payload == nil {
		req.Payload = []byte(`{"n":1}`)
	}
	t, err := f.registry.Prepare(req, time.Now())
	if err != nil {
		f.t.Fatalf("prepare: %v", err)
	}
	return t
}

func (f *workshop) enqueue(req task.Request) *task.Task {
	f.t.Helper()
	t := f.prepare(req)
	if err := f.client.Enqueue(f.t.Context(), t); err != nil {
		f.t.Fatalf("enqueue: %v", err)
	}
	return t
}

func (f *workshop) get(id string) *task.Task {
	f.t.Helper()
	t, err := f.client.Get(f.t.Context(), id)
	if err != nil {
		f.t.Fatalf("get %s: %v", id, err)
	}
	return t
}

// patience bounds what a test waits for. It is far beyond what anything here takes, and no measure of speed.
const patience = 30 * time.Second

// wait waits until the task is over.
func (f *workshop) wait(id string) *task.Task {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	t, err := f.client.Wait(ctx, id)
	if err != nil {
		f.t.Fatalf("wait for %s: %v", id, err)
	}
	if !t.State.Terminal() {
		f.t.Fatalf("task %s is still %s after %s", id, t.State, patience)
	}
	return t
}

// waitState waits until the task is in the state, which is not a terminal one.
func (f *workshop) waitState(id string, state task.State) *task.Task {
	f.t.Helper()
	var last task.State
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		t := f.get(id)
		if t.State == state {
			return t
		}
		last = t.State
		f.yield()
	}
	f.t.Fatalf("task %s is %s, not %s", id, last, state)
	return nil
}

// yield lets others work between two looks at a state that nobody announces.
func (f *workshop) yield() {
	select {
	case <-time.After(5 * time.Millisecond):
	case <-f.t.Context().Done():
	}
}

// started waits for a handler of type "block" to start.
func (f *workshop) started() run {
	f.t.Helper()
	select {
	case r := <-f.runs:
		return r
	case <-time.After(patience):
		f.t.Fatal("no task started")
		return run{}
	}
}

func (f *workshop) wantCode(err error, code task.Code) {
	f.t.Helper()
	if task.CodeOf(err) != code {
		f.t.Errorf("error %v has code %q, want %q", err, task.CodeOf(err), code)
	}
}

// waiting begins to wait for a task in the background, and returns when the task's end is sure to be announced.
func (f *workshop) waiting(id string) <-chan *task.Task {
	f.t.Helper()
	done := make(chan *task.Task, 1)
	go func() {
		ctx, cancel := context.WithTimeout(f.t.Context(), patience)
		defer cancel()
		t, err := f.client.Wait(ctx, id)
		if err != nil {
			f.t.Errorf("wait for %s: %v", id, err)
		}
		done <- t
	}()
	key := "asynq:{" + f.get(id).Queue + "}:t:" + id
	for deadline := time.Now().Add(patience); !f.rdb.HExists(f.t.Context(), key, "bb:waiters").Val(); f.yield() {
		if time.Now().After(deadline) {
			f.t.Fatalf("task %s was never marked as waited for", id)
		}
	}
	return done
}

func ptr[T any](v T) *T { return &v }

func withoutHandler(name string) func(*worker.Config) {
	return func(cfg *worker.Config) {
		handlers := maps.Clone(cfg.Handlers)
		delete(handlers, name)
		cfg.Handlers = handlers
	}
}

// waitFor waits until the task is as the test wants it.
func (f *workshop) waitFor(id string, ok func(*task.Task) bool) *task.Task {
	f.t.Helper()
	var last *task.Task
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); f.yield() {
		if last = f.get(id); ok(last) {
			return last
		}
	}
	f.t.Fatalf("task %s never became as wanted: %+v", id, last)
	return nil
}

func (f *workshop) waitGone(id string) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); f.yield() {
		if _, err := f.client.Get(f.t.Context(), id); task.CodeOf(err) == task.CodeNotFound {
			return
		}
	}
	f.t.Fatalf("task %s is still there", id)
}

// keys returns the keys of all masters.
func (f *workshop) keys(pattern string) []string {
	f.t.Helper()
	keys, err := f.redis.Keys(pattern)
	f.must(err)
	return keys
}

func (f *workshop) waitNoKeys(patterns ...string) {
	f.t.Helper()
	var left []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); f.yield() {
		left = nil
		for _, p := range patterns {
			left = append(left, f.keys(p)...)
		}
		if len(left) == 0 {
			return
		}
	}
	f.t.Fatalf("keys left behind: %q", left)
}

func (f *workshop) waitUntil(at time.Time) {
	select {
	case <-time.After(time.Until(at)):
	case <-f.t.Context().Done():
	}
}
