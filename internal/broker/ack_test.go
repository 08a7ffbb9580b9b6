package broker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// A task whose key is replaced while it runs spoils nothing but itself.
func TestDamagedTaskHoldsUpNoOther(t *testing.T) {
	f := newFleet(t)
	f.worker()
	damaged := f.enqueue(task.Request{Type: "block"})
	other := f.enqueue(task.Request{Type: "block"})
	runs := []run{f.started(), f.started()}
	key := "asynq:{default}:t:" + damaged.ID
	f.must(f.rdb.Del(t.Context(), key).Err())
	f.must(f.rdb.Set(t.Context(), key, "no hash", 0).Err())
	for _, r := range runs {
		r.release <- nil
	}
	if got := f.wait(other.ID); got.State != task.Succeeded {
		t.Errorf("the task beside it: %s", got.State)
	}
	if got := f.wait(f.enqueue(task.Request{Type: "echo"}).ID); got.State != task.Succeeded {
		t.Errorf("a later task: %s", got.State)
	}
	f.waitZero("LLEN", "asynq:{default}:active")
}

// Ends that are too heavy for Redis together go one by one.
func TestHeavyEndsAreWritten(t *testing.T) {
	const n, size = 24, 400 << 10
	f := newFleet(t)
	define(f, "heavy", func(ctx context.Context, in input) (string, error) {
		r := run{task.Info(ctx), make(chan error, 1)}
		f.runs <- r
		<-r.release
		return strings.Repeat("x", in.N), nil
	})
	f.must(f.redis.Client(t).ConfigSet(t.Context(), "client-query-buffer-limit", fmt.Sprint(2<<20)).Err())
	f.worker(func(cfg *worker.Config) { cfg.Concurrency = n })
	ids := make([]string, n)
	for i := range ids {
		ids[i] = f.enqueue(task.Request{Type: "heavy", Payload: fmt.Appendf(nil, `{"n":%d}`, size)}).ID
	}
	runs := make([]run, n)
	for i := range runs {
		runs[i] = f.started()
	}
	for _, r := range runs {
		r.release <- nil
	}
	for _, id := range ids {
		if got := f.wait(id); got.State != task.Succeeded || len(got.Result) < size {
			t.Fatalf("%s with a result of %d bytes, %+v", got.State, len(got.Result), got.Error)
		}
	}
}

// Ends that take a slow link longer than any time-out of a call are written all the same, each once, and the task of another
// queue is not held up by them.
func TestHeavyEndsOverASlowLink(t *testing.T) {
	const n, size = 16, 4 << 20
	f := newFleet(t)
	link := redistest.StartLink(t, f.redis.Addr())
	link.Limit(12_500_000) // 100 Mbit/s
	define(f, "heavy", func(ctx context.Context, _ input) (string, error) {
		r := run{task.Info(ctx), make(chan error, 1)}
		f.runs <- r
		<-r.release
		return strings.Repeat("x", size), nil
	})
	f.workerAt(link.Addr(), func(cfg *worker.Config) { cfg.Concurrency = n + 1 })
	ids := make([]string, n)
	for i := range ids {
		ids[i] = f.enqueue(task.Request{Type: "heavy"}).ID
	}
	runs := make([]run, n)
	for i := range runs {
		runs[i] = f.started()
	}
	for _, r := range runs {
		r.release <- nil
	}
	if got := f.wait(f.enqueue(task.Request{Type: "echo", Queue: "low"}).ID); got.State != task.Succeeded {
		t.Errorf("a task of another queue: %s", got.State)
	}
	for _, id := range ids {
		if got := f.wait(id); got.State != task.Succeeded || len(got.Result) < size || got.Attempt != 1 {
			t.Errorf("%s with a result of %d bytes in attempt %d, %+v", got.State, len(got.Result), got.Attempt, got.Error)
		}
	}
}

// An end that Redis never takes fails its own task.
func TestEndThatCannotBeWrittenFailsItsTask(t *testing.T) {
	f := newFleet(t)
	define(f, "huge", func(context.Context, input) (string, error) { return strings.Repeat("x", 3<<20), nil })
	f.must(f.redis.Client(t).ConfigSet(t.Context(), "client-query-buffer-limit", fmt.Sprint(2<<20)).Err())
	f.worker()
	huge := f.enqueue(task.Request{Type: "huge"})
	if got := f.wait(f.enqueue(task.Request{Type: "echo"}).ID); got.State != task.Succeeded {
		t.Errorf("a task beside it: %s", got.State)
	}
	if got := f.wait(huge.ID); got.State != task.Failed || got.Error.Kind != task.KindPermanent || !strings.Contains(got.Error.Message, "cannot be written to redis") {
		t.Errorf("%s, %+v", got.State, got.Error)
	}
}

// What is published of an end does not grow with its result, and the outcome of a task that is not kept is read all the same.
func TestPublishedEndsAreSmall(t *testing.T) {
	const size = 200 << 10
	f := newFleet(t)
	define(f, "large", func(context.Context, input) (string, error) { return strings.Repeat("x", size), nil })
	f.worker()
	sub := f.rdb.Subscribe(t.Context(), "backbeat:watched")
	defer sub.Close()
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, retention := range []time.Duration{0, time.Hour} {
		made := f.prepare(task.Request{Type: "large", Retention: &retention})
		got, err := f.client.EnqueueAndWait(t.Context(), made, time.Minute)
		if err != nil || got.State != task.Succeeded || len(got.Result) < size {
			t.Errorf("kept for %s: %+v, %v", retention, got, err)
		}
		m, err := sub.ReceiveMessage(t.Context())
		if err != nil || len(m.Payload) > 1000 {
			t.Errorf("published %d bytes, %v", len(m.Payload), err)
		}
	}
}

// Nor does one that would leave nothing behind, which finish.lua ends in another way.
func TestDamagedTaskThatLeavesNothingHoldsUpNoOther(t *testing.T) {
	f := newFleet(t)
	release := make(chan struct{})
	define(f, "quiet", func(ctx context.Context, _ input) (task.None, error) {
		f.runs <- run{info: task.Info(ctx)}
		<-release
		return task.None{}, nil
	})
	f.worker()
	for _, id := range []string{"damaged", "sound"} {
		f.enqueue(task.Request{Type: "quiet", ID: id, Retention: ptr(time.Duration(0))})
		f.started()
	}
	f.must(f.rdb.Set(t.Context(), "asynq:{default}:t:damaged", "no hash", 0).Err())
	close(release)
	f.waitNoKeys("asynq:*:active", "asynq:*:lease", "asynq:*:t:sound")
}

// A queue whose ends cannot be written holds up no other.
func TestQueueWhoseEndsCannotBeWritten(t *testing.T) {
	f := newFleet(t)
	f.worker()
	f.enqueue(task.Request{Type: "block", ID: "stuck", Queue: "low"})
	stuck := f.started()
	f.must(f.rdb.Rename(t.Context(), "asynq:{low}:active", "asynq:{low}:aside").Err())
	f.must(f.rdb.Set(t.Context(), "asynq:{low}:active", "no list", 0).Err())
	stuck.release <- nil
	for i := range 3 {
		f.enqueue(task.Request{Type: "echo", ID: fmt.Sprint(i)})
		if got := f.wait(fmt.Sprint(i)); got.State != task.Succeeded {
			t.Errorf("task %d of another queue: %s", i, got.State)
		}
	}
	f.must(f.rdb.Rename(t.Context(), "asynq:{low}:aside", "asynq:{low}:active").Err())
	if got := f.wait("stuck"); got.State != task.Succeeded {
		t.Errorf("when the queue is back: %s", got.State)
	}
}

// What waits for a callback has no result that the callback leaves out.
func TestCallbacksAreNotedWithoutLargeResults(t *testing.T) {
	f := newFleet(t)
	define(f, "large", func(_ context.Context, in input) (string, error) { return strings.Repeat("x", in.N), nil })
	f.registry.AllowCallbacks()
	f.worker() // which leaves callbacks to others
	for _, id := range []string{"100000", "200000"} {
		f.enqueue(task.Request{
			Type: "large", ID: id, Payload: []byte(`{"n":` + id + `}`),
			Callback: &task.Callback{URL: "https://example.com", Events: []task.State{task.Succeeded}},
		})
		f.wait(id)
	}
	entries, err := f.rdb.XRange(t.Context(), "backbeat:{default}:outbox:callbacks", "-", "+").Result()
	f.must(err)
	if len(entries) != 2 {
		t.Fatalf("%d callbacks are noted", len(entries))
	}
	if small := entries[0].Values; small["result"] == nil || small["omitted"] != nil {
		t.Errorf("a small result: omitted %v", small["omitted"])
	}
	if large := entries[1].Values; large["result"] != nil || large["omitted"] != "result" {
		t.Errorf("a large result: omitted %v", large["omitted"])
	}
}
