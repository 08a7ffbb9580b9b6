package broker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

func TestIDTaken(t *testing.T) {
	f := newFleet(t)
	f.enqueue(task.Request{Type: "echo", ID: "order-17"})
	for _, queue := range []string{"default", "low"} {
		again := f.prepare(task.Request{Type: "echo", ID: "order-17", Queue: queue, Payload: []byte(`{"n":2}`)})
		f.wantCode(f.client.Enqueue(t.Context(), again), task.CodeConflict)
	}
	if got := f.get("order-17"); string(got.Payload) != `{"n":1}` || got.Queue != "default" {
		t.Errorf("the first task became %s in %s", got.Payload, got.Queue)
	}
}

func TestIDTakenByMany(t *testing.T) {
	f := newFleet(t)
	results := make(chan error)
	for i := range 60 {
		queue := queues[i%3].Name
		again := f.prepare(task.Request{Type: "echo", ID: "one", Queue: queue, Metadata: map[string]string{"from": queue}})
		go func() { results <- f.client.Enqueue(t.Context(), again) }()
	}
	var accepted int
	for range 60 {
		if err := <-results; err == nil {
			accepted++
		} else {
			f.wantCode(err, task.CodeConflict)
		}
	}
	// All that were accepted say the same of one queue: only those are one and the same task.
	var held int
	for _, q := range queues {
		held += int(f.rdb.Exists(t.Context(), "asynq:{"+q.Name+"}:t:one").Val())
	}
	if accepted == 0 || held != 1 {
		t.Errorf("%d were accepted and %d queues hold the task, want one queue", accepted, held)
	}
}

func TestEnqueueSentTwiceIsOneTask(t *testing.T) {
	f := newFleet(t)
	asked := f.enqueue(task.Request{Type: "echo"})
	if err := f.client.Enqueue(t.Context(), asked); err != nil {
		t.Errorf("the same task again: %v", err)
	}
	if n := f.rdb.LLen(t.Context(), "asynq:{default}:pending").Val(); n != 1 {
		t.Errorf("%d tasks are pending", n)
	}
}

func TestUniqueFor(t *testing.T) {
	f := newFleet(t)
	f.worker()
	first := f.enqueue(task.Request{Type: "echo", Payload: []byte(`{"n": 1}`), UniqueFor: ptr(time.Hour)})
	locks := f.keys("asynq:{default}:unique:*")
	f.wait(first.ID) // the time counts, not the end

	err := f.client.Enqueue(t.Context(), f.prepare(task.Request{Type: "echo", Payload: []byte(`{ "n":1 }`), UniqueFor: ptr(time.Minute)}))
	f.wantCode(err, task.CodeConflict)
	if e, ok := errors.AsType[*task.Error](err); !ok || !strings.Contains(e.Message, first.ID) {
		t.Errorf("%v does not name the first task, %s", err, first.ID)
	}
	for name, other := range map[string]task.Request{
		"payload": {Type: "echo", Payload: []byte(`{"n":2}`), UniqueFor: ptr(time.Minute)},
		"queue":   {Type: "echo", Queue: "low", UniqueFor: ptr(time.Minute)},
		"type":    {Type: "fail", UniqueFor: ptr(time.Minute)},
		"no wish": {Type: "echo"},
	} {
		if err := f.client.Enqueue(t.Context(), f.prepare(other)); err != nil {
			t.Errorf("another %s: %v", name, err)
		}
	}
	for _, lock := range locks {
		if left := f.rdb.PTTL(t.Context(), lock).Val(); left <= 0 || left > time.Hour {
			t.Errorf("%s lasts for another %s, want an hour at most", lock, left)
		}
		f.must(f.rdb.PExpire(t.Context(), lock, time.Millisecond).Err())
	}
	if len(locks) != 1 {
		t.Errorf("locks %q, want one", locks)
	}
	f.waitNoKeys(locks...)
	f.enqueue(task.Request{Type: "echo", UniqueFor: ptr(time.Minute)})
}

func TestDeleteFreesIDAndUniqueLock(t *testing.T) {
	f := newFleet(t)
	req := task.Request{Type: "echo", ID: "a", UniqueFor: ptr(time.Hour), ExpiresAt: time.Now().Add(time.Hour)}
	f.enqueue(req)
	if err := f.client.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	_, err := f.client.Get(t.Context(), "a")
	f.wantCode(err, task.CodeNotFound)
	f.waitNoKeys("asynq:*:t:*", "asynq:*:pending", "asynq:*:unique:*", "backbeat:*")
	f.enqueue(req)
}

// inState makes a task in each state, and names it after the state.
func inState(f *workshop) {
	f.worker(func(cfg *worker.Config) { cfg.Queues = queues[:1] })
	f.enqueue(task.Request{Type: "echo", ID: "scheduled", Delay: ptr(time.Hour)})
	f.enqueue(task.Request{Type: "echo", ID: "pending"})
	_, err := f.stockClient().Enqueue(asynq.NewTask("echo", []byte(`{"n":1}`)), asynq.TaskID("aggregating"), asynq.Group("a group"),
		asynq.Retention(time.Hour))
	f.must(err)
	f.enqueue(task.Request{Type: "block", ID: "running", Queue: "critical"})
	f.started()
	f.enqueue(task.Request{Type: "block", ID: "retrying", Queue: "critical"})
	f.started().release <- task.RetryAfter(time.Hour, errors.New("later"))
	f.waitState("retrying", task.Retrying)
	f.enqueue(task.Request{Type: "echo", ID: "succeeded", Queue: "critical"})
	f.enqueue(task.Request{Type: "fail", ID: "failed", Queue: "critical", MaxRetries: ptr(0)})
	f.enqueue(task.Request{Type: "echo", ID: "expired", ExpiresAt: time.Now().Add(20 * time.Millisecond)})
	f.waitFor("expired", func(t *task.Task) bool { return t.State == task.Expired })
	f.enqueue(task.Request{Type: "echo", ID: "canceled"})
	if _, err := f.client.Cancel(f.t.Context(), "canceled"); err != nil {
		f.t.Fatal(err)
	}
	f.wait("succeeded")
	f.wait("failed")
	for _, s := range task.States {
		if got := f.get(string(s)).State; got != s {
			f.t.Fatalf("task %s is %s", s, got)
		}
	}
}

func TestSteering(t *testing.T) {
	f := newFleet(t)
	inState(f)
	_, err := f.client.Cancel(t.Context(), "nobody")
	f.wantCode(err, task.CodeNotFound)

	// What each call makes of a task in each state; no entry is a conflict.
	run := map[task.State]task.State{
		task.Scheduled: task.Pending, task.Retrying: task.Pending, task.Aggregating: task.Pending,
	}
	retry := map[task.State]task.State{task.Failed: task.Pending, task.Canceled: task.Pending, task.Expired: task.Pending}
	for _, s := range task.States {
		if _, ok := run[s]; !ok {
			_, err := f.client.Run(t.Context(), string(s))
			f.wantCode(err, task.CodeConflict)
		}
		if _, ok := retry[s]; !ok {
			_, err := f.client.Retry(t.Context(), string(s))
			f.wantCode(err, task.CodeConflict)
		}
		if s.Terminal() {
			_, err := f.client.Cancel(t.Context(), string(s))
			if s == task.Canceled {
				f.wantCode(err, "") // it is what was asked for
			} else {
				f.wantCode(err, task.CodeConflict)
			}
		}
		if got := f.get(string(s)).State; got != s {
			t.Errorf("what was refused made %s out of %s", got, s)
		}
	}
	f.wantCode(f.client.Delete(t.Context(), "running"), task.CodeConflict)
	if err := f.client.Pause(t.Context(), "critical"); err != nil {
		t.Fatal(err)
	}
	for s, want := range run {
		got, err := f.client.Run(t.Context(), string(s))
		if err != nil || got.State != want || got.RunAt.After(time.Now()) {
			t.Errorf("run %s: %+v, %v", s, got, err)
		}
	}
	for s, want := range retry {
		got, err := f.client.Retry(t.Context(), string(s))
		if err != nil || got.State != want || got.Error != nil || !got.FinishedAt.IsZero() || got.CancelRequested {
			t.Errorf("retry %s: %+v, %v", s, got, err)
		}
	}
	f.worker()
	if err := f.client.Resume(t.Context(), "critical"); err != nil {
		t.Fatal(err)
	}
	f.started().release <- nil // "retrying"
	for _, id := range []string{"scheduled", "aggregating", "pending", "retrying", "canceled", "expired"} {
		if got := f.wait(id); got.State != task.Succeeded {
			t.Errorf("%s ended as %s", id, got.State)
		}
	}
	// A retried task has its retries again.
	if got := f.wait("failed"); got.State != task.Failed || got.Attempt != 1 || got.TotalAttempts != 2 {
		t.Errorf("failed ended as %s after %d attempts", got.State, got.Attempt)
	}
}

func TestDeleteInEachState(t *testing.T) {
	f := newFleet(t)
	inState(f)
	for _, s := range task.States {
		if s == task.Running {
			continue
		}
		if err := f.client.Delete(t.Context(), string(s)); err != nil {
			t.Errorf("delete %s: %v", s, err)
		}
		_, err := f.client.Get(t.Context(), string(s))
		f.wantCode(err, task.CodeNotFound)
	}
}

func TestCancelWhileItWaits(t *testing.T) {
	f := newFleet(t)
	f.enqueue(task.Request{Type: "block", ID: "a"})
	done := f.waiting("a")
	got, err := f.client.Cancel(t.Context(), "a")
	if err != nil || got.State != task.Canceled || !got.CancelRequested || got.FinishedAt.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if got := <-done; got == nil || got.State != task.Canceled {
		t.Errorf("who waits is told %+v", got)
	}
}

func TestCancelWhileItRuns(t *testing.T) {
	f := newFleet(t)
	f.worker()
	f.enqueue(task.Request{Type: "block", ID: "a"})
	f.started()
	got, err := f.client.Cancel(t.Context(), "a")
	if err != nil || !got.CancelRequested {
		t.Fatalf("%+v, %v", got, err)
	}
	if got := f.wait("a"); got.State != task.Canceled || got.Attempt != 1 || got.Error != nil || got.Result != nil {
		t.Errorf("%+v", got)
	}
}

// The worker's subscription may be down when a task is canceled.
func TestCancellationThatNobodyHeard(t *testing.T) {
	f := newFleet(t)
	f.worker()
	f.enqueue(task.Request{Type: "block", ID: "a"})
	f.started()
	f.askToCancelInSilence("a")
	if got := f.wait("a"); got.State != task.Canceled {
		t.Errorf("%s", got.State)
	}
}

func TestCanceledWinsOverHowTheAttemptEnded(t *testing.T) {
	for name, end := range map[string]error{"success": nil, "failure": errors.New("no"), "permanent": task.Permanent(errors.New("no"))} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			f.worker()
			f.enqueue(task.Request{Type: "block", ID: "a"})
			r := f.started()
			f.askToCancelInSilence("a")
			r.release <- end
			if got := f.wait("a"); got.State != task.Canceled || got.Result != nil {
				t.Errorf("%s, result %s", got.State, got.Result)
			}
		})
	}
}

// askToCancelInSilence leaves the flag of a cancellation, and publishes nothing.
func (f *workshop) askToCancelInSilence(id string) {
	f.t.Helper()
	_, err := f.rdb.Pipelined(f.t.Context(), func(p redis.Pipeliner) error {
		p.HSet(f.t.Context(), "asynq:{default}:t:"+id, "bb:cancel", time.Now().UnixMilli(), "bb:retention", 60_000)
		p.SAdd(f.t.Context(), "backbeat:{default}:canceling", id)
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestCanceledTaskOfADeadWorkerIsNotRunAgain(t *testing.T) {
	f := newFleet(t)
	f.enqueue(task.Request{Type: "block", ID: "a"})
	f.enqueue(task.Request{Type: "echo", ID: "b"})
	f.askToCancelInSilence("a") // as it stands when the task is put back after a crash
	f.worker()
	f.wait("b")
	if got := f.wait("a"); got.State != task.Canceled || len(f.runs) != 0 {
		t.Errorf("%s, %d runs", got.State, len(f.runs))
	}
}

func TestPausedQueue(t *testing.T) {
	f := newFleet(t)
	f.worker()
	if err := f.client.Pause(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	f.enqueue(task.Request{Type: "echo", ID: "a"})
	f.wait(f.enqueue(task.Request{Type: "echo", Queue: "low"}).ID)
	q, err := f.client.Queue(t.Context(), "default")
	if err != nil || !q.Paused || q.Pending != 1 {
		t.Errorf("%+v, %v", q, err)
	}
	if err := f.client.Resume(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	f.wait("a")
	for _, err := range []error{f.client.Pause(t.Context(), "none"), f.client.Resume(t.Context(), "none")} {
		f.wantCode(err, task.CodeNotFound)
	}
}

func TestQueueStatus(t *testing.T) {
	f := newFleet(t)
	inState(f)
	all, err := f.client.Queues(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	critical, def := all[0], all[1]
	if critical.Name != "critical" || critical.Weight != 6 || critical.Running != 1 || critical.Retrying != 1 ||
		critical.Succeeded != 1 || critical.Failed != 1 || critical.ProcessedToday != 3 || critical.FailedToday != 2 {
		t.Errorf("critical: %+v", critical)
	}
	if def.Pending != 1 || def.Scheduled != 1 || def.Aggregating != 1 || def.Failed != 0 || def.Latency <= 0 || def.Latency > time.Minute {
		t.Errorf("default: %+v", def)
	}
}

func TestWorkersAreListedUntilTheyStop(t *testing.T) {
	f := newFleet(t)
	w := f.worker()
	asked := f.enqueue(task.Request{Type: "block"})
	r := f.started()
	var got []fleet.WorkerStatus
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); f.yield() {
		var err error
		if got, err = f.client.Workers(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(got) == 1 && len(got[0].Running) == 1 { // with the next heartbeat
			break
		}
	}
	if len(got) != 1 || got[0].ID != w.ID() || got[0].Concurrency != 8 || got[0].Queues["critical"] != 6 ||
		len(got[0].Running) != 1 || got[0].Running[0].ID != asked.ID || got[0].Running[0].Type != "block" {
		t.Errorf("%+v", got)
	}
	r.release <- nil
	w.Stop()
	if got, err := f.client.Workers(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("after the stop: %+v, %v", got, err)
	}
}
