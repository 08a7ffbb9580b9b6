package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/task"
)

func TestSucceeded(t *testing.T) {
	f := newFleet(t)
	w := f.worker()
	asked := f.enqueue(task.Request{Type: "echo", Payload: []byte(`{"n": 7}`), Metadata: map[string]string{"tenant": "a"}})

	got := f.wait(asked.ID)

	if got.State != task.Succeeded || string(got.Result) != `{"n":7}` || got.Error != nil {
		t.Errorf("state %s, result %s, error %v", got.State, got.Result, got.Error)
	}
	if got.Attempt != 1 || got.Worker != w.ID() || got.Metadata["tenant"] != "a" || string(got.Payload) != `{"n":7}` {
		t.Errorf("attempt %d, worker %q, metadata %v, payload %s", got.Attempt, got.Worker, got.Metadata, got.Payload)
	}
	inOrder(t, got.CreatedAt, got.StartedAt, got.FinishedAt)
}

func inOrder(t *testing.T, times ...time.Time) {
	t.Helper()
	for i, at := range times {
		if at.IsZero() || i > 0 && at.Before(times[i-1]) {
			t.Errorf("times are not in order: %v", times)
		}
	}
}

func TestPendingThenRunning(t *testing.T) {
	f := newFleet(t)
	asked := f.enqueue(task.Request{Type: "block"})
	if got := f.get(asked.ID); got.State != task.Pending || got.Attempt != 0 || !got.StartedAt.IsZero() {
		t.Errorf("before a worker is there: %s, attempt %d, started %v", got.State, got.Attempt, got.StartedAt)
	}
	f.worker()
	r := f.started()
	if got := f.get(asked.ID); got.State != task.Running || got.Attempt != 1 {
		t.Errorf("while it runs: %s, attempt %d", got.State, got.Attempt)
	}
	r.release <- nil
	f.wait(asked.ID)
}

func TestScheduledRunsAtItsTimeAndNeverEarly(t *testing.T) {
	f := newFleet(t)
	f.worker()
	runAt := time.Now().Add(1300 * time.Millisecond).Truncate(time.Millisecond)
	asked := f.enqueue(task.Request{Type: "echo", RunAt: runAt})
	if got := f.get(asked.ID); got.State != task.Scheduled || !got.RunAt.Equal(runAt) {
		t.Errorf("%s at %v, want scheduled at %v", got.State, got.RunAt, runAt)
	}
	if got := f.wait(asked.ID); got.StartedAt.Before(runAt) {
		t.Errorf("started at %v, before %v", got.StartedAt, runAt)
	}
}

func TestRetryingThenFailed(t *testing.T) {
	f := newFleet(t)
	f.worker()
	asked := f.enqueue(task.Request{Type: "block", MaxRetries: ptr(1)})
	f.started().release <- task.RetryAfter(time.Hour, errors.New("first"))

	got := f.waitState(asked.ID, task.Retrying)
	if got.Error == nil || *got.Error != (task.Failure{Message: "first", Kind: task.KindError}) || got.Attempt != 1 {
		t.Errorf("error %+v, attempt %d", got.Error, got.Attempt)
	}
	if in := time.Until(got.RunAt); in < 59*time.Minute || in > time.Hour {
		t.Errorf("next try in %s, want an hour", in)
	}
	if _, err := f.client.Run(t.Context(), asked.ID); err != nil {
		t.Fatal(err)
	}
	f.started().release <- errors.New("second")
	got = f.wait(asked.ID)
	if got.State != task.Failed || got.Error.Message != "second" || got.Attempt != 2 {
		t.Errorf("%s, error %+v, attempt %d", got.State, got.Error, got.Attempt)
	}
}

func TestErrorIsForgottenWhenTheTaskRunsAgain(t *testing.T) {
	f := newFleet(t)
	f.worker()
	asked := f.enqueue(task.Request{Type: "block", MaxRetries: ptr(1)})
	f.started().release <- task.RetryAfter(0, errors.New("first"))
	second := f.started()
	if got := f.get(asked.ID); got.State != task.Running || got.Error != nil {
		t.Errorf("while it runs again: %s, error %+v", got.State, got.Error)
	}
	second.release <- nil
	if got := f.wait(asked.ID); got.State != task.Succeeded || got.Error != nil || got.Attempt != 2 {
		t.Errorf("%s, error %+v, attempt %d", got.State, got.Error, got.Attempt)
	}
}

func TestErrorKinds(t *testing.T) {
	f := newFleet(t)
	ends := map[string]func(context.Context) error{
		"error":     func(context.Context) error { return errors.New("no luck") },
		"permanent": func(context.Context) error { return task.Permanent(errors.New("no use")) },
		"panic":     func(context.Context) error { panic("ouch") },
		"timeout":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"wrapped":   func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("read: %w", ctx.Err()) },
		// The handler's own deadline is its own error.
		"inner": func(context.Context) error { return context.DeadlineExceeded },
	}
	for name, end := range ends {
		define(f, name, func(ctx context.Context, _ input) (task.None, error) { return task.None{}, end(ctx) })
	}
	f.worker()
	tests := []struct {
		name    string
		retries int
		want    task.Failure
	}{
		{"error", 0, task.Failure{Message: "no luck", Kind: task.KindError}},
		{"permanent", 5, task.Failure{Message: "no use", Kind: task.KindPermanent}},
		{"panic", 0, task.Failure{Message: "panic: ouch", Kind: task.KindPanic}},
		{"timeout", 0, task.Failure{Message: "timed out after 700ms", Kind: task.KindTimeout}},
		{"wrapped", 0, task.Failure{Message: "timed out after 700ms: read: context deadline exceeded", Kind: task.KindTimeout}},
		{"inner", 0, task.Failure{Message: "context deadline exceeded", Kind: task.KindError}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := f.enqueue(task.Request{Type: tt.name, MaxRetries: &tt.retries, Timeout: ptr(700 * time.Millisecond)})
			got := f.wait(asked.ID)
			if got.State != task.Failed || got.Error == nil || *got.Error != tt.want || got.Attempt != 1 {
				t.Errorf("%s after %d attempts, error %+v, want %+v", got.State, got.Attempt, got.Error, tt.want)
			}
		})
	}
}

func TestTimeoutIsExactToTheMillisecond(t *testing.T) {
	f := newFleet(t)
	f.worker()
	// A machine that is busy may be late at some, but not at all.
	for deadline := time.Now().Add(patience); ; {
		asked := f.enqueue(task.Request{Type: "block", MaxRetries: ptr(0), Timeout: ptr(250 * time.Millisecond)})
		got := f.wait(asked.ID)
		took := got.FinishedAt.Sub(got.StartedAt)
		if took < 250*time.Millisecond || time.Now().After(deadline) {
			t.Fatalf("ended after %s, want 250ms and not the next full second", took)
		}
		if took < 900*time.Millisecond {
			return
		}
	}
}

func TestDeadlineEndsAllTries(t *testing.T) {
	f := newFleet(t)
	f.worker()
	deadline := time.Now().Add(300 * time.Millisecond)
	asked := f.enqueue(task.Request{Type: "block", MaxRetries: ptr(100), Deadline: deadline})
	got := f.wait(asked.ID)
	said := "the deadline " + deadline.UTC().Format(time.RFC3339) + " passed"
	if got.State != task.Failed || got.Error.Kind != task.KindTimeout || got.Error.Message != said || got.Attempt != 1 {
		t.Errorf("%s, %+v, attempt %d", got.State, got.Error, got.Attempt)
	}
}

// In a deployment, old workers meet tasks of types that only new ones know.
func TestUnknownTypeWaitsForAWorkerThatKnowsIt(t *testing.T) {
	f := newFleet(t)
	f.worker(withoutHandler("echo"))
	ours := f.enqueue(task.Request{Type: "echo", MaxRetries: ptr(0)})
	info, err := f.stockClient().Enqueue(asynq.NewTask("echo", []byte(`{"n":1}`)), asynq.MaxRetry(0), asynq.Retention(time.Hour))
	f.must(err)
	for _, id := range []string{ours.ID, info.ID} {
		f.waitParked(id)
	}
	f.wait(f.enqueue(task.Request{Type: "fail", MaxRetries: ptr(0)}).ID) // and holds up nobody
	f.worker()
	for _, id := range []string{ours.ID, info.ID} {
		if got := f.wait(id); got.State != task.Succeeded || got.Attempt != 1 {
			t.Errorf("%s after %d attempts, %+v", got.State, got.Attempt, got.Error)
		}
	}
}

func TestResultsAreBounded(t *testing.T) {
	f := newFleet(t)
	define(f, "big", func(_ context.Context, in input) (string, error) { return strings.Repeat("x", in.N), nil })
	f.worker(func(cfg *worker.Config) { cfg.MaxResultBytes = 1000 })
	if got := f.wait(f.enqueue(task.Request{Type: "big", Payload: []byte(`{"n":998}`)}).ID); got.State != task.Succeeded {
		t.Errorf("a result of the largest size: %s, %+v", got.State, got.Error)
	}
	got := f.wait(f.enqueue(task.Request{Type: "big", Payload: []byte(`{"n":999}`)}).ID)
	if got.State != task.Failed || got.Attempt != 1 || got.Error.Kind != task.KindPermanent ||
		!strings.Contains(got.Error.Message, "1001 bytes") || !strings.Contains(got.Error.Message, "max_result_bytes allows 1000") {
		t.Errorf("%s after %d attempts, %+v", got.State, got.Attempt, got.Error)
	}
}

// A stock worker releases the lock of a task that has succeeded; ours does too.
func TestUniqueLockOfAStockClientIsReleased(t *testing.T) {
	f := newFleet(t)
	client := f.stockClient()
	unique := func() (string, error) {
		info, err := client.Enqueue(asynq.NewTask("echo", []byte(`{"n":1}`)), asynq.Unique(time.Hour), asynq.Retention(time.Hour))
		if err != nil {
			return "", err
		}
		return info.ID, nil
	}
	first, err := unique()
	f.must(err)
	if _, err := unique(); !errors.Is(err, asynq.ErrDuplicateTask) {
		t.Fatalf("a second task while the first waits: %v", err)
	}
	f.worker()
	f.wait(first)
	if _, err := unique(); err != nil {
		t.Errorf("a second task after the first has succeeded: %v", err)
	}
}

func TestExpiredNeverRuns(t *testing.T) {
	f := newFleet(t)
	asked := f.enqueue(task.Request{Type: "block", ExpiresAt: time.Now().Add(50 * time.Millisecond)})
	other := f.enqueue(task.Request{Type: "block", Delay: ptr(40 * time.Millisecond), ExpiresAt: time.Now().Add(50 * time.Millisecond)})
	// No worker sweeps here: reading tells the truth all the same.
	for _, id := range []string{asked.ID, other.ID} {
		got := f.waitFor(id, func(t *task.Task) bool { return t.State == task.Expired })
		if got.Attempt != 0 || got.FinishedAt.IsZero() || got.Error != nil {
			t.Errorf("attempt %d, finished %v, error %v", got.Attempt, got.FinishedAt, got.Error)
		}
	}
	last := f.enqueue(task.Request{Type: "echo"})
	f.worker()
	f.wait(last.ID)
	if len(f.runs) > 0 {
		t.Error("an expired task ran")
	}
}

func TestWorkersSweepWhatHasExpired(t *testing.T) {
	f := newFleet(t)
	f.worker()
	if err := f.client.Pause(t.Context(), "low"); err != nil {
		t.Fatal(err)
	}
	asked := f.enqueue(task.Request{Type: "echo", Queue: "low", ExpiresAt: time.Now().Add(50 * time.Millisecond)})
	// The wait is woken by the sweep: nobody reads the task until then.
	if got := f.wait(asked.ID); got.State != task.Expired {
		t.Errorf("%s", got.State)
	}
}

func TestStartedInTimeDoesNotExpire(t *testing.T) {
	f := newFleet(t)
	f.worker()
	asked := f.enqueue(task.Request{Type: "block", MaxRetries: ptr(1), ExpiresAt: time.Now().Add(time.Second)})
	r := f.started()
	f.waitUntil(asked.ExpiresAt)
	r.release <- errors.New("again")
	f.started().release <- nil
	if got := f.wait(asked.ID); got.State != task.Succeeded {
		t.Errorf("%s", got.State)
	}
}

func TestProgress(t *testing.T) {
	f := newFleet(t)
	step, next := make(chan struct{}), make(chan struct{})
	define(f, "steps", func(ctx context.Context, _ input) (task.None, error) {
		for i := range 3 {
			task.Progress(ctx, float64(i*50), "step")
			step <- struct{}{}
			<-next
		}
		return task.None{}, nil
	})
	f.worker()
	asked := f.enqueue(task.Request{Type: "steps"})
	for _, want := range []float64{0, 50, 100} {
		<-step
		got := f.waitFor(asked.ID, func(t *task.Task) bool { return t.Progress != nil && t.Progress.Percent == want })
		if got.Progress.Message != "step" {
			t.Errorf("message %q", got.Progress.Message)
		}
		next <- struct{}{}
	}
	if got := f.wait(asked.ID); got.Progress == nil || got.Progress.Percent != 100 {
		t.Errorf("progress %+v after the end", got.Progress)
	}
}

func TestLastProgressComesWithTheEnd(t *testing.T) {
	f := newFleet(t)
	define(f, "hasty", func(ctx context.Context, _ input) (task.None, error) {
		for i := range 1000 {
			task.Progress(ctx, float64(i)/10, "hurry")
		}
		return task.None{}, nil
	})
	f.worker()
	if got := f.wait(f.enqueue(task.Request{Type: "hasty"}).ID); got.Progress == nil || got.Progress.Percent != 99.9 {
		t.Errorf("progress %+v, want the newest", got.Progress)
	}
}

func TestRetention(t *testing.T) {
	f := newFleet(t)
	f.worker()
	keep := ptr(time.Second)
	succeeded := f.enqueue(task.Request{Type: "echo", Retention: keep})
	failed := f.enqueue(task.Request{Type: "fail", Retention: keep})
	canceled := f.enqueue(task.Request{Type: "echo", Delay: ptr(time.Hour), Retention: keep})
	if _, err := f.client.Cancel(t.Context(), canceled.ID); err != nil {
		t.Fatal(err)
	}
	expired := f.enqueue(task.Request{Type: "echo", Delay: ptr(50 * time.Millisecond), ExpiresAt: time.Now().Add(60 * time.Millisecond), Retention: keep, Queue: "low"})
	ids := []string{succeeded.ID, failed.ID, canceled.ID, expired.ID}
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			f.wait(id)
			f.waitGone(id)
		})
	}
	all.Wait()
	// Nothing may stay behind in Redis either, apart from asynq's own counters.
	f.waitNoKeys("asynq:*:t:*", "asynq:*:archived", "asynq:*:completed", "backbeat:*")
}

func TestNotRetained(t *testing.T) {
	f := newFleet(t)
	f.worker()
	asked := f.enqueue(task.Request{Type: "block", Retention: ptr(time.Duration(0))})
	r := f.started()
	done := f.waiting(asked.ID)
	r.release <- nil
	if got := <-done; got == nil || got.State != task.Succeeded || string(got.Result) != `{"n":1}` || got.FinishedAt.IsZero() {
		t.Errorf("who waits is told %+v", got)
	}
	_, err := f.client.Get(t.Context(), asked.ID)
	f.wantCode(err, task.CodeNotFound)
}

// A task may end between any two looks that a waiter takes at it. Nobody looks later for an end that was missed.
func TestWaitMissesNoEnd(t *testing.T) {
	f := newFleet(t)
	f.client.Watchers().Every = announcedOnly
	f.worker()
	for range 1000 {
		asked := f.enqueue(task.Request{Type: "echo"})
		f.wait(asked.ID)
	}
}
