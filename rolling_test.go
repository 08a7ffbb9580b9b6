package backbeat_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

var added = task.Define[task.None, task.None]("shop.added", task.MaxRetries(0))

// A deployment that adds a type replaces one worker after the other under load. Callers use the type from the beginning: its
// tasks wait for the first worker that knows it, at no cost of an attempt, and no task fails or runs twice.
func TestRollingDeploymentAddsAType(t *testing.T) {
	d := &deployment{t: t, server: redistest.Start(t), runs: make(map[string]int)}
	q := backbeat.NewClient(d.server.Connect(t), backbeat.WithTypes(sum.Type, added.Type))
	t.Cleanup(q.Close)

	stopFirst, stopSecond := d.start(d.old()...), d.start(d.old()...)
	ids := d.enqueue(q)
	redistest.Poll(t, patience, "a task of the new type waits for a worker", func() bool {
		seen, err := q.Task(t.Context(), ids[1])
		return err == nil && seen.State == client.Pending && seen.WaitingFor == task.WaitingForWorker
	})
	stopThird := d.start(d.new()...)
	ids = append(ids, d.enqueue(q)...)
	stopFirst()
	ids = append(ids, d.enqueue(q)...)
	stopFourth := d.start(d.new()...)
	stopSecond()
	ids = append(ids, d.enqueue(q)...)

	for _, id := range ids {
		done, err := q.Wait(t.Context(), id)
		if err != nil || done.State != client.Succeeded || done.Attempt != 1 {
			t.Fatalf("%s: %+v, %v", id, done, err)
		}
	}
	stopThird()
	stopFourth()
	for _, id := range ids {
		if d.runs[id] != 1 {
			t.Errorf("%s ran %d times", id, d.runs[id])
		}
	}
	t.Logf("tasks of the new type waited up to %s for their start once a worker knew it", d.waited.Round(time.Millisecond))
}

// deployment is a queue whose workers are replaced.
type deployment struct {
	t      *testing.T
	server *redistest.Server

	mu     sync.Mutex
	runs   map[string]int
	known  time.Time     // when the first worker that knows the new type was ready
	waited time.Duration // the longest wait of a task of the new type after that
}

func (d *deployment) old() []task.Set {
	return []task.Set{sum.Handle(func(ctx context.Context, in sumIn) (sumOut, error) {
		d.ran(ctx)
		return sumOut{in.A + in.B}, nil
	})}
}

func (d *deployment) new() []task.Set {
	return append(d.old(), added.Handle(func(ctx context.Context, _ task.None) (task.None, error) {
		d.ran(ctx)
		return task.None{}, nil
	}))
}

func (d *deployment) ran(ctx context.Context) {
	info := task.Info(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs[info.ID]++
	if info.Type == added.Name {
		since := info.CreatedAt
		if since.Before(d.known) {
			since = d.known
		}
		if !d.known.IsZero() {
			d.waited = max(d.waited, time.Since(since))
		}
	}
}

// start starts a worker, and returns a function that stops it as a deployment does and waits for its end.
func (d *deployment) start(sets ...task.Set) (stop func()) {
	d.t.Helper()
	cfg := backbeat.WorkerConfig{Concurrency: 16, ShutdownTimeout: patience, Logger: slog.New(slog.DiscardHandler)}
	w, err := backbeat.NewWorker(d.server.Connect(d.t), cfg, sets...)
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(d.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	select {
	case <-w.Ready():
	case err := <-done:
		d.t.Fatal(err)
	}
	d.mu.Lock()
	if len(sets) > 1 && d.known.IsZero() {
		d.known = time.Now()
	}
	d.mu.Unlock()
	return func() {
		cancel()
		if err := <-done; err != nil {
			d.t.Error(err)
		}
	}
}

// enqueue enqueues tasks of both types in turn.
func (d *deployment) enqueue(q client.Enqueuer) (ids []string) {
	d.t.Helper()
	requests := make([]client.TaskRequest, 400)
	for i := range requests {
		requests[i] = client.TaskRequest{Type: sum.Name, Payload: sumIn{A: i}}
		if i%2 == 1 {
			requests[i] = client.TaskRequest{Type: added.Name}
		}
	}
	results, err := q.EnqueueBatch(d.t.Context(), requests)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			d.t.Fatal(r.Err)
		}
		ids = append(ids, r.Task.ID)
	}
	return ids
}
