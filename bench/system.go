package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// system is one of those that are compared: what the benchmark asks of a task queue.
type system interface {
	// enqueue puts a task into the queue; delay 0 is now.
	enqueue(ctx context.Context, payload []byte, keep bool, delay time.Duration) error
	// work starts a worker that calls handle for each task, and returns what stops it.
	work(addr string, concurrency int, handle func(payload []byte) []byte) (stop func(), err error)
	// name is what systems calls it.
	name() string
	close()
}

var systems = map[string]func(addr string) system{"stock": newStock, "ours": newOurs}

const queueName = "default"

// stock is asynq as it comes.
type stock struct{ client *asynq.Client }

func newStock(addr string) system {
	return &stock{asynq.NewClient(asynq.RedisClientOpt{Addr: addr})}
}

func (*stock) name() string { return "stock" }

func (s *stock) close() { _ = s.client.Close() }

func (s *stock) enqueue(ctx context.Context, payload []byte, keep bool, delay time.Duration) error {
	opts := []asynq.Option{asynq.Queue(queueName), asynq.MaxRetry(3)}
	if keep {
		opts = append(opts, asynq.Retention(time.Hour))
	}
	if delay > 0 {
		opts = append(opts, asynq.ProcessIn(delay))
	}
	_, err := s.client.EnqueueContext(ctx, asynq.NewTask("bench", payload), opts...)
	return err
}

func (s *stock) work(addr string, concurrency int, handle func([]byte) []byte) (func(), error) {
	server := asynq.NewServer(asynq.RedisClientOpt{Addr: addr}, asynq.Config{
		Concurrency: concurrency, Queues: map[string]int{queueName: 1}, LogLevel: asynq.FatalLevel,
	})
	err := server.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		if result := handle(t.Payload()); result != nil {
			_, err := t.ResultWriter().Write(result)
			return err
		}
		return nil
	}))
	return server.Shutdown, err
}

// ours is Backbeat's broker.
type ours struct {
	rdb      redis.UniversalClient
	client   *queue.Client
	registry *catalog.Catalog
}

func newOurs(addr string) system {
	o := &ours{rdb: redis.NewClient(&redis.Options{Addr: addr}), registry: catalog.New([]string{queueName}, time.Hour)}
	o.client = queue.NewClient(o.rdb, queues)
	if err := o.registry.Add(task.Define[json.RawMessage, json.RawMessage]("bench").Type); err != nil {
		panic(err) // it is the only one
	}
	return o
}

var queues = []fleet.Queue{{Name: queueName, Weight: 1}}

func (*ours) name() string { return "ours" }

func (o *ours) close() {
	o.client.Close()
	_ = o.rdb.Close() // nothing more to be done with it
}

func (o *ours) enqueue(ctx context.Context, payload []byte, keep bool, delay time.Duration) error {
	return o.client.Enqueue(ctx, newTask(payload, keep, delay))
}

// enqueueAll enqueues n tasks in one call.
func (o *ours) enqueueAll(ctx context.Context, n int, payload []byte) error {
	tasks := make([]*task.Task, n)
	for i := range tasks {
		tasks[i] = newTask(payload, false, 0)
	}
	return errors.Join(o.client.EnqueueAll(ctx, tasks)...)
}

func newTask(payload []byte, keep bool, delay time.Duration) *task.Task {
	now := time.Now()
	t := &task.Task{
		Type: "bench", Queue: queueName, State: task.Pending, Payload: payload, MaxRetries: 3, Timeout: 30 * time.Minute,
		CreatedAt: now, RunAt: now,
	}
	if keep {
		t.Retention = time.Hour
	}
	if delay > 0 {
		t.State, t.RunAt = task.Scheduled, now.Add(delay)
	}
	return t
}

func (o *ours) work(addr string, concurrency int, handle func([]byte) []byte) (func(), error) {
	rdb := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	server := worker.New(rdb, worker.Config{
		Types: o.registry, Queues: queues, Concurrency: concurrency, ShutdownTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
		Handlers: map[string]*task.Handler{"bench": {Type: &task.Type{}, Run: func(_ context.Context, payload []byte) ([]byte, error) { return handle(payload), nil }}},
	})
	restore := raiseGCTarget()
	stop := func() {
		server.Stop()
		_ = rdb.Close() // nothing more to be done with it
		restore()
	}
	return stop, server.Start(context.Background())
}

// raiseGCTarget lets garbage be collected as in the worker program, unless GOGC says otherwise.
func raiseGCTarget() (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	ballast := make([]byte, 64<<20) // never written to, so it takes no memory of the machine
	before := debug.SetGCPercent(50)
	return func() {
		debug.SetGCPercent(before)
		runtime.KeepAlive(ballast)
	}
}

// fill enqueues n tasks, from many goroutines.
func fill(ctx context.Context, s system, n int, payload []byte, keep bool) error {
	return spread(n, func(int) error { return s.enqueue(ctx, payload, keep, 0) })
}

// spread calls enqueue n times, from many goroutines.
func spread(n int, enqueue func(i int) error) error {
	const writers = 64
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n; i += writers {
				if err := enqueue(i); err != nil {
					errs <- fmt.Errorf("enqueue: %w", err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}
