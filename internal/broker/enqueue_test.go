package broker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/task"
)

func TestEnqueueAllAnswersForEach(t *testing.T) {
	f := newFleet(t)
	f.enqueue(task.Request{Type: "echo", ID: "elsewhere", Queue: "low"})
	first := f.enqueue(task.Request{Type: "echo", Payload: []byte(`{"n":1}`), UniqueFor: ptr(time.Hour)})
	f.must(f.rdb.RPush(t.Context(), "asynq:{default}:t:spoilt", "not a task").Err())
	requests := []struct {
		req  task.Request
		want task.Code
	}{
		{task.Request{Type: "echo", ID: "a"}, ""},
		{task.Request{Type: "echo"}, ""},
		{task.Request{Type: "echo", ID: "a", Queue: "critical"}, task.CodeConflict},
		{task.Request{Type: "echo", ID: "elsewhere"}, task.CodeConflict},
		{task.Request{Type: "echo", ID: "spoilt"}, task.CodeUnavailable},
		{task.Request{Type: "echo", Payload: []byte(`{"n":1}`), UniqueFor: ptr(time.Hour)}, task.CodeConflict},
		{task.Request{Type: "echo", ID: "later", Delay: ptr(time.Hour)}, ""},
		{task.Request{Type: "echo", ID: "b", Queue: "low", ExpiresAt: time.Now().Add(time.Hour)}, ""},
	}
	tasks := make([]*task.Task, len(requests))
	for i, r := range requests {
		tasks[i] = f.prepare(r.req)
	}
	for i, err := range f.client.EnqueueAll(t.Context(), tasks) {
		if got := task.CodeOf(err); got != requests[i].want || (err == nil) != (got == "") {
			t.Errorf("task %d: %v, want %q", i, err, requests[i].want)
		}
		if requests[i].want != "" {
			continue
		}
		got := f.get(tasks[i].ID)
		if got.Queue != tasks[i].Queue || got.State != tasks[i].State {
			t.Errorf("task %d is %s in %s", i, got.State, got.Queue)
		}
	}
	if got := f.get(first.ID); got.State != task.Pending {
		t.Errorf("the first of the unique ones is %s", got.State)
	}
	if claims := f.keys("backbeat:*:reserved:*"); len(claims) > 0 {
		t.Errorf("reservations are left: %q", claims)
	}
}

// Batches are made of whatever comes at a time; each task is in its queue once, in the order in which its
// caller sent it.
func TestEnqueueFromManyAtOnce(t *testing.T) {
	f := newFleet(t)
	const callers, each = 50, 100
	var wg sync.WaitGroup
	errs := make(chan error, callers*each)
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				errs <- f.client.Enqueue(t.Context(), &task.Task{
					Type: "note", Queue: "default", State: task.Pending, Timeout: time.Minute, Payload: fmt.Appendf(nil, `{"n":%d}`, c*each+i), CreatedAt: time.Now(),
				})
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		f.must(err)
	}
	seen := make(chan int, callers*each)
	define(f, "note", func(_ context.Context, in input) (task.None, error) { seen <- in.N; return task.None{}, nil })
	f.worker(func(cfg *worker.Config) { cfg.Concurrency = 1 })
	next := make([]int, callers)
	for range callers * each {
		n := <-seen
		if c := n / each; n%each != next[c] {
			t.Fatalf("caller %d: task %d ran when %d was next", c, n%each, next[c])
		}
		next[n/each]++
	}
}
