package backbeat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/task"
)

// patience bounds what a test waits for. It is far beyond what anything here takes, and no measure of speed.
const patience = 30 * time.Second

type sumIn struct {
	A int `json:"a" minimum:"0"`
	B int `json:"b,omitempty" default:"1"`
}

type sumOut struct {
	Sum int `json:"sum"`
}

var (
	sum   = task.Define[sumIn, sumOut]("shop.sum", task.Aliases("shop.add"), task.MaxRetries(0))
	fails = task.Define[task.None, task.None]("shop.fails", task.MaxRetries(0))
)

func handlers() []task.Set {
	return []task.Set{
		sum.Handle(func(_ context.Context, in sumIn) (sumOut, error) { return sumOut{in.A + in.B}, nil }),
		fails.Handle(func(context.Context, task.None) (task.None, error) { return task.None{}, errors.New("no luck") }),
	}
}

func startWorker(t *testing.T, rdb redis.UniversalClient, cfg backbeat.WorkerConfig, sets ...task.Set) *backbeat.Worker {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.ShutdownTimeout = time.Second
	w, err := backbeat.NewWorker(rdb, cfg, sets...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the worker ended with %v", err)
		}
	})
	select {
	case <-w.Ready():
	case <-time.After(patience):
		t.Fatal("the worker is not ready")
	}
	return w
}

func onRedis(t *testing.T, server *redistest.Server) client.Enqueuer {
	t.Helper()
	c := backbeat.NewClient(server.Connect(t), backbeat.WithTypes(sum.Type, fails.Type))
	t.Cleanup(c.Close)
	return c
}

// recorder returns an Enqueuer without a Redis.
func recorder(t *testing.T) client.Enqueuer {
	t.Helper()
	r := backbeattest.NewRecorder(t)
	r.Handle(handlers()...)
	return r
}

// overHTTP starts an API in this process.
func overHTTP(t *testing.T, server *redistest.Server) client.Enqueuer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cfg, err := config.Load(program.API, []string{"--api-addr=" + addr, "--redis-url=" + server.URL()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	app, err := program.New(cfg, program.API, append(handlers(), program.Logger(slog.New(slog.DiscardHandler)))...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := app.Run(ctx); err != nil {
			t.Errorf("the API ended with %v", err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	<-app.Ready()
	c, err := client.New("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every Enqueuer does the same, and refuses the same in the same words.
func TestEnqueuersAreAlike(t *testing.T) {
	server := redistest.Start(t)
	startWorker(t, server.Connect(t), backbeat.WorkerConfig{}, handlers()...)
	for name, q := range map[string]client.Enqueuer{"redis": onRedis(t, server), "http": overHTTP(t, server), "recorder": recorder(t)} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if out, err := client.Run(ctx, q, sum, sumIn{A: 2, B: 3}); err != nil || out.Sum != 5 {
				t.Errorf("Run = %+v, %v", out, err)
			}
			_, err := client.Run(ctx, q, fails, task.None{})
			if failed, ok := errors.AsType[*client.TaskError](err); !ok || failed.State != client.Failed || failed.Message != "no luck" {
				t.Errorf("a task that fails: %v", err)
			}
			testDelay(ctx, t, q, name)
			testIdempotency(ctx, t, q, name)
			testRefusals(ctx, t, q, name)
			testBatch(ctx, t, q)
		})
	}
}

// A task looks the same over HTTP and from Redis, to the last field.
func TestTasksLookAlike(t *testing.T) {
	server := redistest.Start(t)
	startWorker(t, server.Connect(t), backbeat.WorkerConfig{}, fails.Handle(func(context.Context, task.None) (task.None, error) {
		return task.None{}, nil
	}))
	fromRedis, overHTTP := onRedis(t, server), overHTTP(t, server)
	asked, err := client.Enqueue(t.Context(), fromRedis, sum, sumIn{A: 1}, client.Metadata(map[string]string{"tenant": "a"}),
		client.ExpiresAt(time.Now().Add(time.Hour)), client.Deadline(time.Now().Add(2*time.Hour)), client.UniqueFor(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var parked *client.Task
	redistest.Poll(t, patience, "it waits for a worker that knows its type", func() bool {
		parked, err = overHTTP.Task(t.Context(), asked.ID)
		return err == nil && parked.WaitingFor == task.WaitingForWorker
	})
	same, err := fromRedis.Task(t.Context(), asked.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parked, same, cmp.Comparer(func(a, b time.Time) bool { return a.Truncate(time.Millisecond).Equal(b.Truncate(time.Millisecond)) })); diff != "" {
		t.Errorf("over HTTP (-) and from Redis (+):\n%s", diff)
	}
}

// eventually waits until something holds that nothing signals.

func testDelay(ctx context.Context, t *testing.T, q client.Enqueuer, name string) {
	late, err := client.Enqueue(ctx, q, sum, sumIn{A: 1}, client.Delay(time.Hour), client.ID(name+"-late"), client.Queue("critical"),
		client.Metadata(map[string]string{"tenant": "a"}), client.Retention(time.Minute))
	if err != nil || late.State != client.Scheduled || late.Queue != "critical" {
		t.Fatalf("a delayed task: %+v, %v", late, err)
	}
	if found, err := q.Task(ctx, name+"-late"); err != nil || found.Metadata["tenant"] != "a" || found.Retention != client.Duration(time.Minute) {
		t.Errorf("Task = %+v, %v", found, err)
	}
	if _, err := client.Enqueue(ctx, q, sum, sumIn{A: 2}, client.ID(name+"-late")); !errors.Is(err, client.ErrConflict) {
		t.Errorf("an id that is taken: %v", err)
	}
	if _, err := q.Task(ctx, "no-such-task"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a task that is not there: %v", err)
	}
}

func testIdempotency(ctx context.Context, t *testing.T, q client.Enqueuer, name string) {
	first, err := client.Enqueue(ctx, q, sum, sumIn{A: 7}, client.IdempotencyKey(name+"-key"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := client.Enqueue(ctx, q, sum, sumIn{A: 7}, client.IdempotencyKey(name+"-key"))
	if err != nil || again.ID != first.ID {
		t.Errorf("the same request again: %+v, %v; want %s", again, err, first.ID)
	}
	if _, err := client.Enqueue(ctx, q, sum, sumIn{A: 8}, client.IdempotencyKey(name+"-key")); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("another request under the key: %v", err)
	}
}

func testRefusals(ctx context.Context, t *testing.T, q client.Enqueuer, name string) {
	for want, r := range map[string]client.TaskRequest{
		"body.payload.a: expected number >= 0":             client.Request(sum, sumIn{A: -1}),
		`body.queue: "nope" is not a known queue`:          client.Request(sum, sumIn{A: 1}, client.Queue("nope")),
		"body.type: \"no.such.type\" is not a known":       client.NewRequest("no.such.type", nil),
		"body.payload.c: unexpected property":              client.NewRequest("shop.sum", map[string]int{"a": 1, "c": 2}),
		"body.run_at: delay and run_at exclude each other": client.Request(sum, sumIn{A: 1}, client.Delay(time.Hour), client.RunAt(time.Now().Add(time.Hour))),
	} {
		_, err := q.Submit(ctx, r)
		refused, ok := errors.AsType[*client.Error](err)
		if !ok || !errors.Is(err, client.ErrInvalid) || len(refused.Errors) != 1 {
			t.Errorf("%s: %v", want, err)
			continue
		}
		if got := refused.Errors[0].Location + ": " + refused.Errors[0].Message; !strings.HasPrefix(got, want) {
			t.Errorf("refused with %q, want %q", got, want)
		}
	}
}

func testBatch(ctx context.Context, t *testing.T, q client.Enqueuer) {
	requests := make([]client.TaskRequest, 100)
	for i := range requests {
		requests[i] = client.Request(sum, sumIn{A: i})
	}
	requests[50] = client.Request(sum, sumIn{A: -1})
	results, err := q.EnqueueBatch(ctx, requests)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if i == 50 {
			if !errors.Is(r.Err, client.ErrInvalid) {
				t.Errorf("a bad one in a batch: %v", r.Err)
			}
			continue
		}
		if r.Err != nil {
			t.Fatalf("task %d: %v", i, r.Err)
		}
		done, err := q.Wait(ctx, r.Task.ID)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := client.Result(sum, done); err != nil || out.Sum != i+1 {
			t.Errorf("task %d: %+v, %v", i, out, err)
		}
	}
}

func ExampleNewClient() {
	rdb := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
	q := backbeat.NewClient(rdb)
	defer q.Close()
	out, err := client.Run(context.Background(), q, sum, sumIn{A: 2, B: 3})
	fmt.Println(out, err)
}
