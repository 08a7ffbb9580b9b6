package broker_test

import (
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// waitParked waits until the task waits for a worker that knows its type.
func (f *workshop) waitParked(id string) *task.Task {
	f.t.Helper()
	return f.waitFor(id, func(t *task.Task) bool { return t.State == task.Pending && t.WaitingFor == task.WaitingForWorker })
}

// park enqueues a task whose type no worker knows, and waits until it is parked.
func (f *workshop) park(req task.Request) string {
	f.t.Helper()
	req.Type = "echo"
	id := f.enqueue(req).ID
	f.waitParked(id)
	return id
}

// A parked task is a pending one to all who look at it, and can be changed like one.
func TestParkedTasksAreListedAndChanged(t *testing.T) {
	f := newFleet(t)
	f.worker(withoutHandler("echo"))
	canceled, deleted, bulk := f.park(task.Request{}), f.park(task.Request{}), f.park(task.Request{})
	left := f.park(task.Request{})

	for state, want := range map[task.State]int{task.Pending: 4, task.Scheduled: 0} {
		page, err := f.client.List(t.Context(), fleet.Filter{States: []task.State{state}}, "", 10)
		f.must(err)
		if len(page.Tasks) != want {
			t.Errorf("%d %s tasks, want %d", len(page.Tasks), state, want)
		}
	}
	status, err := f.client.Queue(t.Context(), "default")
	f.must(err)
	if status.Pending != 4 || status.Scheduled != 0 {
		t.Errorf("the queue has %d pending and %d scheduled tasks", status.Pending, status.Scheduled)
	}

	got, err := f.client.Cancel(t.Context(), canceled)
	f.must(err)
	if got.State != task.Canceled {
		t.Errorf("canceled it is %s", got.State)
	}
	f.must(f.client.Delete(t.Context(), deleted))
	f.must(f.client.Delete(t.Context(), bulk))
	result, err := f.client.Bulk(t.Context(), fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Types: []string{"echo"}}, DryRun: true})
	f.must(err)
	if result.Matched != 1 {
		t.Errorf("a bulk change finds %d tasks", result.Matched)
	}

	f.worker()
	if got := f.wait(left); got.State != task.Succeeded || got.Attempt != 1 || got.WaitingFor != "" {
		t.Errorf("the one that was left alone: %+v", got)
	}
	if got := f.get(canceled); got.State != task.Canceled {
		t.Errorf("the canceled one is %s", got.State)
	}
	if keys, err := f.redis.Keys("backbeat:*parked*"); err != nil || len(keys) != 0 {
		t.Errorf("left behind: %q, %v", keys, err)
	}
}

func TestParkedTasksExpire(t *testing.T) {
	f := newFleet(t)
	f.worker(withoutHandler("echo"))
	id := f.enqueue(task.Request{Type: "echo", ExpiresAt: f.client.Now().Add(2 * time.Second)}).ID
	if got := f.wait(id); got.State != task.Expired {
		t.Errorf("it is %s", got.State)
	}
}

func TestBulkCancelsParkedTasks(t *testing.T) {
	f := newFleet(t)
	f.worker(withoutHandler("echo"))
	ids := []string{f.park(task.Request{}), f.park(task.Request{})}
	result, err := f.client.Bulk(t.Context(), fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{States: []task.State{task.Pending}}})
	f.must(err)
	if result.Changed != 2 {
		t.Errorf("%+v", result)
	}
	for _, id := range ids {
		if got := f.get(id); got.State != task.Canceled {
			t.Errorf("%s is %s", id, got.State)
		}
	}
}

// Two kinds of worker share a queue under load: each task runs once, on a worker that knows it.
func TestTwoKindsOfWorkerUnderLoad(t *testing.T) {
	f := newFleet(t)
	f.worker(withoutHandler("echo"))
	f.worker(withoutHandler("fail"))
	var ids []string
	for range 300 {
		ids = append(ids, f.enqueue(task.Request{Type: "echo"}).ID, f.enqueue(task.Request{Type: "fail", MaxRetries: ptr(0)}).ID)
	}
	for i, id := range ids {
		want := task.Succeeded
		if i%2 == 1 {
			want = task.Failed
		}
		if got := f.wait(id); got.State != want || got.Attempt != 1 || got.Error != nil && got.Error.Message != "no luck" && want != task.Failed {
			t.Fatalf("task %d is %s after %d attempts: %+v", i, got.State, got.Attempt, got.Error)
		}
	}
}
