package backbeat_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/enqueue"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// A handler enqueues through the worker that called it.
func TestHandlersEnqueue(t *testing.T) {
	server := redistest.Start(t)
	parent := task.Define[task.None, sumOut]("shop.parent")
	set := append(handlers(), parent.Handle(func(ctx context.Context, _ task.None) (sumOut, error) {
		return client.Run(ctx, client.From(ctx), sum, sumIn{A: 20, B: 22})
	}))
	startWorker(t, server.Connect(t), backbeat.WorkerConfig{}, set...)
	out, err := client.Run(t.Context(), onRedis(t, server), parent, task.None{})
	if err != nil || out.Sum != 42 {
		t.Errorf("got %+v, %v", out, err)
	}
	if client.From(t.Context()) != nil {
		t.Error("there is an Enqueuer outside of handlers")
	}
}

func TestSnoozeSpendsNoAttempt(t *testing.T) {
	server := redistest.Start(t)
	runs := make(chan task.RunInfo, 10)
	patient := task.Define[task.None, task.None]("shop.patient", task.MaxRetries(0))
	startWorker(t, server.Connect(t), backbeat.WorkerConfig{}, patient.Handle(func(ctx context.Context, _ task.None) (task.None, error) {
		runs <- task.Info(ctx)
		if len(runs) < 3 {
			return task.None{}, task.Snooze(10 * time.Millisecond)
		}
		return task.None{}, nil
	}))
	q := onRedis(t, server)
	asked, err := client.Enqueue(t.Context(), q, patient, task.None{})
	if err != nil {
		t.Fatal(err)
	}
	done, err := q.Wait(t.Context(), asked.ID)
	if err != nil || done.State != client.Succeeded || done.Attempt != 1 || len(runs) != 3 {
		t.Errorf("%d runs, %+v, %v", len(runs), done, err)
	}
	for range len(runs) {
		if info := <-runs; info.Attempt != 1 {
			t.Errorf("a run is attempt %d", info.Attempt)
		}
	}
}

func TestSnoozedTaskIsScheduled(t *testing.T) {
	server := redistest.Start(t)
	patient := task.Define[task.None, task.None]("shop.patient")
	startWorker(t, server.Connect(t), backbeat.WorkerConfig{}, patient.Handle(func(context.Context, task.None) (task.None, error) {
		return task.None{}, task.Snooze(time.Hour)
	}))
	q := onRedis(t, server)
	asked, err := client.Enqueue(t.Context(), q, patient, task.None{})
	if err != nil {
		t.Fatal(err)
	}
	var seen *client.Task
	redistest.Poll(t, patience, "it is scheduled", func() bool {
		seen, err = q.Task(t.Context(), asked.ID)
		return err == nil && seen.State == client.Scheduled
	})
	if seen.Error != nil || seen.RunAt.Before(seen.CreatedAt.Add(30*time.Minute)) {
		t.Errorf("it is %+v", seen)
	}
}

// Middleware runs from the outermost in, and the hook hears of failures and panics.
func TestMiddlewareAndFailureHook(t *testing.T) {
	server := redistest.Start(t)
	var mu sync.Mutex
	var order []string
	note := func(name string) task.Middleware {
		return func(next task.Func) task.Func {
			return func(ctx context.Context, payload []byte) ([]byte, error) {
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
				return next(ctx, payload)
			}
		}
	}
	failed := make(chan error, 2)
	panics := task.Define[task.None, task.None]("shop.panics", task.MaxRetries(0))
	cfg := backbeat.WorkerConfig{
		Middleware: []task.Middleware{note("outer"), note("inner")},
		OnFailure: func(_ context.Context, run task.RunInfo, err error) {
			if run.Type != "shop.panics" || run.Attempt != 1 {
				t.Errorf("the hook is told of %+v", run)
			}
			failed <- err
		},
	}
	startWorker(t, server.Connect(t), cfg, panics.Handle(func(context.Context, task.None) (task.None, error) { panic("at the disco") }, note("type")))
	q := onRedis(t, server)
	_, err := client.Run(t.Context(), q, panics, task.None{})
	if ended, ok := errors.AsType[*client.TaskError](err); !ok || ended.Kind != client.KindPanic {
		t.Errorf("got %v", err)
	}
	if p, ok := errors.AsType[*task.PanicError](<-failed); !ok || !strings.Contains(string(p.Stack), "worker_test.go") {
		t.Errorf("the hook is told %v", p)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"outer", "inner", "type"}; !slices.Equal(order, want) {
		t.Errorf("the order is %q, want %q", order, want)
	}
}

// Two workers share a process and a connection, which repeats commands as go-redis does unless it is told not to.
func TestTwoWorkersInAProcess(t *testing.T) {
	server := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { rdb.Close() })
	a := startWorker(t, rdb, backbeat.WorkerConfig{Queues: map[string]int{"default": 1}}, handlers()...)
	b := startWorker(t, rdb, backbeat.WorkerConfig{Queues: map[string]int{"low": 1}}, handlers()...)
	if a.ID() == b.ID() {
		t.Errorf("both are %s", a.ID())
	}
	if rdb.Options().MaxRetries != 3 {
		t.Errorf("the caller's connection has %d retries", rdb.Options().MaxRetries)
	}
	q := onRedis(t, server)
	for queue, worker := range map[string]string{"default": a.ID(), "low": b.ID()} {
		asked, err := client.Enqueue(t.Context(), q, sum, sumIn{A: 1}, client.Queue(queue))
		if err != nil {
			t.Fatal(err)
		}
		if done, err := q.Wait(t.Context(), asked.ID); err != nil || done.Worker != worker {
			t.Errorf("%s: %+v, %v", queue, done, err)
		}
	}
}

// A task that was enqueued under an alias runs as the type.
func TestAliases(t *testing.T) {
	server := redistest.Start(t)
	startWorker(t, server.Connect(t), backbeat.WorkerConfig{}, handlers()...)
	old := task.Define[sumIn, sumOut]("shop.add")
	q := backbeat.NewClient(server.Connect(t))
	t.Cleanup(q.Close)
	if out, err := client.Run(t.Context(), q, old, sumIn{A: 1, B: 2}); err != nil || out.Sum != 3 {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestWorkerConfigIsChecked(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Connect(t)
	twice := append(handlers(), handlers()...)
	if _, err := backbeat.NewWorker(rdb, backbeat.WorkerConfig{}, twice...); err == nil || !strings.Contains(err.Error(), "defined twice") {
		t.Errorf("two handlers of a type: %v", err)
	}
	for _, cfg := range []backbeat.WorkerConfig{
		{Queues: map[string]int{"": 1}}, {Queues: map[string]int{"a": 0}}, {Concurrency: -1},
	} {
		if _, err := backbeat.NewWorker(rdb, cfg, handlers()...); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

// A client with the catalog of somebody else leaves it to them to keep it up to date.
func TestClientWithASharedCatalogReadsNoTypes(t *testing.T) {
	server := redistest.Start(t)
	startWorker(t, server.Connect(t), backbeat.WorkerConfig{}, handlers()...)
	types := catalog.New([]string{"default"}, time.Hour)
	q := backbeat.NewClient(server.Connect(t), func(o *enqueue.Options) { o.Catalog = types })
	t.Cleanup(q.Close)
	if _, err := q.Enqueue(t.Context(), "shop.sum", sumIn{A: 1}); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("a type that is not in the catalog: %v", err)
	}
	if err := types.Add(sum.Type); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Enqueue(t.Context(), "shop.sum", sumIn{A: 1}); err != nil {
		t.Errorf("a type that is: %v", err)
	}
}

// A client without definitions learns the types of workers from Redis.
func TestTypesOfWorkersAreKnown(t *testing.T) {
	server := redistest.Start(t)
	q := backbeat.NewClient(server.Connect(t))
	t.Cleanup(q.Close)
	_, err := q.Enqueue(t.Context(), "shop.sum", sumIn{A: 1})
	if !errors.Is(err, client.ErrInvalid) {
		t.Errorf("before there is a worker: %v", err)
	}
	startWorker(t, server.Connect(t), backbeat.WorkerConfig{}, handlers()...)
	var asked *client.Task
	redistest.Poll(t, patience, "the type is known", func() bool {
		asked, err = q.Enqueue(t.Context(), "shop.sum", sumIn{A: 1}, client.Wait(patience))
		if err != nil && !errors.Is(err, client.ErrInvalid) {
			t.Fatal(err)
		}
		return err == nil
	})
	if asked.State != client.Succeeded || string(asked.Result) != `{"sum":2}` {
		t.Errorf("it is %+v", asked)
	}
	if _, err := q.Enqueue(t.Context(), "shop.sum", map[string]any{"a": -1}); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("a bad payload: %v", err)
	}
}
