package broker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// Stock servers and ours empty the same queues.
func TestMixedFleet(t *testing.T) {
	const each = 20_000
	f := newFleet(t)
	log := newLedger(3 * each)
	define(f, "log", log.run)
	f.fill(each)
	weights := make(map[string]int)
	for _, q := range queues {
		weights[q.Name] = q.Weight
	}
	for range 2 {
		f.worker(func(cfg *worker.Config) { cfg.Concurrency = 32 })
		server := asynq.NewServer(f.stock(), asynq.Config{
			Concurrency: 32, Queues: weights, LogLevel: asynq.FatalLevel,
		})
		f.must(server.Start(asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
			id, _ := asynq.GetTaskID(ctx)
			queue, _ := asynq.GetQueueName(ctx)
			log.write(id, queue)
			return nil
		})))
		t.Cleanup(server.Shutdown)
	}
	log.wait(t)
	for id, n := range log.times {
		if n != 1 {
			t.Errorf("%s ran %d times", id, n)
		}
	}
	// The figures that asynq's tools show.
	inspector := f.stockInspector()
	for _, q := range queues {
		var info *asynq.QueueInfo
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); f.yield() {
			var err error
			if info, err = inspector.GetQueueInfo(q.Name); err != nil {
				t.Fatal(err)
			}
			if info.Processed == each {
				break
			}
		}
		if info.Processed != each || info.ProcessedTotal != each || info.Failed != 0 || info.Size != 0 {
			t.Errorf("%+v", info)
		}
	}
	f.waitNoKeys("asynq:*:t:*", "asynq:*:active", "asynq:*:lease")
}

// Connections that break in the middle of fetches, acknowledgements and enqueues.
func TestBrokenConnections(t *testing.T) {
	f := newFleet(t)
	link := redistest.StartLink(t, f.redis.Addr())
	log := newLedger(-1)
	define(f, "log", log.run)
	f.workerAt(link.Addr())

	breaking := redis.NewClient(&redis.Options{Addr: link.Addr(), MaxRetries: -1})
	defer breaking.Close()
	client := queue.NewClient(breaking, queues)
	defer client.Close()
	const n = 3000
	var ids []string
	for i := range n {
		id := fmt.Sprintf("t-%d", i)
		if i%200 == 100 {
			link.Cut()
		}
		t := f.prepare(task.Request{Type: "log", ID: id, Queue: queues[i%3].Name})
		err := client.Enqueue(f.t.Context(), t)
		if i%200 == 105 {
			link.Mend()
		}
		if err == nil {
			ids = append(ids, id)
		}
	}
	if len(ids) < n/2 {
		t.Fatalf("only %d of %d were accepted", len(ids), n)
	}
	for _, id := range ids {
		if got := f.wait(id); got.State != task.Succeeded {
			t.Errorf("%s is %s: %+v", id, got.State, got.Error)
		}
	}
	f.waitNoKeys("asynq:*:active", "asynq:*:lease")
}

// What nobody told the workers of is found all the same.
func TestForeignTasksAreFoundWithoutAWord(t *testing.T) {
	f := newFleet(t)
	f.worker()
	client := f.stockClient()
	for i := range 20 {
		info, err := client.Enqueue(asynq.NewTask("echo", []byte(`{"n":1}`)), asynq.Retention(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.wait(info.ID); got.State != task.Succeeded {
			t.Errorf("task %d: %s", i, got.State)
		}
	}
}

// A critical task does not wait behind others that are queued or fetched.
func TestCriticalTaskStartsNext(t *testing.T) {
	f := newFleet(t)
	for i := range 50 {
		f.enqueue(task.Request{Type: "block", ID: fmt.Sprintf("low-%d", i), Queue: "low"})
	}
	f.worker(func(cfg *worker.Config) { cfg.StrictPriority, cfg.Concurrency = true, 4 })
	var running []run
	for range 4 {
		running = append(running, f.started())
	}
	f.enqueue(task.Request{Type: "block", ID: "urgent", Queue: "critical"})
	running[0].release <- nil
	if r := f.started(); r.info.ID != "urgent" {
		t.Errorf("%s started next", r.info.ID)
	}
}

// Large tasks are not hoarded: what is fetched is bounded in bytes.
func TestFetchIsBoundedInBytes(t *testing.T) {
	f := newFleet(t)
	const large = 1 << 20
	define(f, "large", func(ctx context.Context, in struct {
		S string `json:"s"`
	}) (task.None, error) {
		f.runs <- run{info: task.Info(ctx)}
		<-ctx.Done()
		return task.None{}, ctx.Err()
	})
	for i := range 20 {
		f.enqueue(task.Request{Type: "large", ID: fmt.Sprint(i), Payload: []byte(`{"s":"` + strings.Repeat("x", large) + `"}`)})
	}
	f.worker(func(cfg *worker.Config) { cfg.Concurrency = 1 })
	f.started()
	if n := f.rdb.LLen(t.Context(), "asynq:{default}:active").Val(); n > 5 {
		t.Errorf("%d tasks of 1 MiB were fetched for one slot", n)
	}
}

// A worker whose clock is a minute slow extends leases that look long ended. It lives all the same.
func TestSlowClockIsNotDeath(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.must(f.rdb.SAdd(t.Context(), "asynq:queues", "default").Err())
	asked := f.enqueue(task.Request{Type: "block", ID: "a"})
	f.must(f.rdb.LMove(t.Context(), "asynq:{default}:pending", "asynq:{default}:active", "right", "left").Err())
	extend := func() {
		slow := time.Now().Add(30*time.Second - time.Minute)
		f.must(f.rdb.ZAdd(t.Context(), "asynq:{default}:lease", redis.Z{Member: asked.ID, Score: float64(slow.Unix())}).Err())
	}
	extend()
	f.must(f.rdb.HSet(t.Context(), "asynq:{default}:t:a", "state", "active").Err())
	f.worker()
	for end := time.Now().Add(25 * time.Second); time.Now().Before(end); {
		f.waitUntil(time.Now().Add(5 * time.Second)) // asynq's heartbeat
		extend()
		if len(f.runs) > 0 {
			t.Fatal("its task was taken from a worker that lives")
		}
	}
	// And now it dies.
	if r := f.started(); r.info.ID != "a" || r.info.MaxRetries != asked.MaxRetries {
		t.Errorf("%+v", r.info)
	}
}
