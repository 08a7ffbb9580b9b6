package backbeattest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/task"
)

// watchedTest is a test whose failures are kept.
type watchedTest struct {
	testing.TB
	said []string
}

func (w *watchedTest) Helper() {}

func (w *watchedTest) Errorf(format string, args ...any) {
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

// Fatalf ends the goroutine, as that of a test does.
func (w *watchedTest) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	panic(w)
}

// fails returns what an assertion says that ends the test.
func fails(t *testing.T, assert func(t testing.TB)) (said string) {
	t.Helper()
	w := &watchedTest{TB: t}
	defer func() {
		if recover() == nil {
			t.Error("the test goes on")
		}
		said = strings.Join(w.said, "\n")
	}()
	assert(w)
	return ""
}

func enqueue(t *testing.T, q client.Enqueuer, in sumIn, opts ...client.TaskOption) *client.Task {
	t.Helper()
	made, err := client.Enqueue(t.Context(), q, sum, in, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestWhatWasEnqueued(t *testing.T) {
	q := backbeattest.NewRecorder(t)
	backbeattest.RequireNotEnqueued(t, q, sum)
	if said := fails(t, func(tb testing.TB) { backbeattest.RequireEnqueued(tb, q, sum) }); !strings.Contains(said, "none") {
		t.Errorf("nothing was enqueued: %q", said)
	}
	made := enqueue(t, q, sumIn{A: 2}, client.Delay(time.Hour), client.Queue("low"))
	if one := backbeattest.RequireEnqueued(t, q, sum); one.In != (sumIn{A: 2}) || one.Task.ID != made.ID ||
		one.Task.State != client.Scheduled || one.Task.Queue != "low" {
		t.Errorf("recorded is %+v, %+v", one.In, one.Task)
	}
	backbeattest.RequireNotEnqueued(t, q, report)
	if said := fails(t, func(tb testing.TB) { backbeattest.RequireNotEnqueued(tb, q, sum) }); !strings.Contains(said, `{"a":2}`) {
		t.Errorf("a task was enqueued: %q", said)
	}
	enqueue(t, q, sumIn{A: 3})
	if said := fails(t, func(tb testing.TB) { backbeattest.RequireEnqueued(tb, q, sum) }); !strings.Contains(said, `{"a":3}`) {
		t.Errorf("two tasks were enqueued: %q", said)
	}
	if list := backbeattest.Enqueued(t, q, sum); len(list) != 2 || list[1].In.A != 3 {
		t.Errorf("recorded is %+v", list)
	}
}

func TestAwaitEnqueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := backbeattest.NewRecorder(t)
		var later sync.WaitGroup
		later.Go(func() {
			time.Sleep(time.Minute) // by the clock of the bubble
			enqueue(t, q, sumIn{A: 5})
		})
		said := fails(t, func(tb testing.TB) { backbeattest.AwaitEnqueued(tb, q, sum, 59*time.Second) })
		if !strings.Contains(said, "within 59s") {
			t.Errorf("nothing was enqueued in time: %q", said)
		}
		if one := backbeattest.AwaitEnqueued(t, q, sum, time.Minute); one.In.A != 5 {
			t.Errorf("recorded is %+v", one)
		}
		later.Wait()
	})
}

func TestRecorderRefuses(t *testing.T) {
	q := backbeattest.NewRecorder(t, backbeat.WithTypes(report.Type))
	first := enqueue(t, q, sumIn{A: 1}, client.ID("one"), client.UniqueFor(time.Hour))
	for want, r := range map[string]struct {
		request client.TaskRequest
		kind    error
	}{
		"body.payload.a: expected number >= 0": {client.Request(sum, sumIn{A: -1}), client.ErrInvalid},
		`"nope" is not a known queue`:          {client.Request(sum, sumIn{A: 1}, client.Queue("nope")), client.ErrInvalid},
		`"shop.sum" is not a known task type`:  {client.NewRequest("shop.sum", sumIn{A: 1}), client.ErrInvalid},
		`task id "one" is taken`:               {client.Request(sum, sumIn{A: 2}, client.ID("one")), client.ErrConflict},
		`task "one" has the same type`:         {client.Request(sum, sumIn{A: 1}, client.UniqueFor(time.Minute)), client.ErrConflict},
	} {
		_, err := q.Submit(t.Context(), r.request)
		if !errors.Is(err, r.kind) || !strings.Contains(err.Error(), want) {
			t.Errorf("refused with %v, want %s", err, want)
		}
	}
	if _, err := q.Submit(t.Context(), client.NewRequest("shop.report", nil)); err != nil {
		t.Errorf("a type of the options: %v", err)
	}
	if _, err := q.Task(t.Context(), "two"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a task that is not there: %v", err)
	}
	if found, err := q.Task(t.Context(), "one"); err != nil || found.ID != first.ID {
		t.Errorf("Task = %+v, %v", found, err)
	}
}

func TestRecorderIdempotency(t *testing.T) {
	q := backbeattest.NewRecorder(t)
	first := enqueue(t, q, sumIn{A: 7}, client.IdempotencyKey("k"))
	if again := enqueue(t, q, sumIn{A: 7}, client.IdempotencyKey("k")); again.ID != first.ID {
		t.Errorf("the same request again made task %s beside %s", again.ID, first.ID)
	}
	if _, err := client.Enqueue(t.Context(), q, sum, sumIn{A: 8}, client.IdempotencyKey("k")); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("another request under the key: %v", err)
	}
	backbeattest.RequireEnqueued(t, q, sum)
}

func TestRecorderBatch(t *testing.T) {
	q := backbeattest.NewRecorder(t)
	results, err := q.EnqueueBatch(t.Context(), []client.TaskRequest{
		client.Request(sum, sumIn{A: 1}), client.Request(sum, sumIn{A: -1}), client.Request(report, task.None{}),
	})
	if err != nil || results[0].Task == nil || !errors.Is(results[1].Err, client.ErrInvalid) || results[2].Task == nil {
		t.Errorf("%+v, %v", results, err)
	}
}

// What was enqueued runs in the order in which it is due, with what its handlers enqueue in turn.
func TestRecorderRuns(t *testing.T) {
	q := backbeattest.NewRecorder(t)
	var order []int
	handler := sum.Handle(func(ctx context.Context, in sumIn) (sumOut, error) {
		order = append(order, in.A)
		if in.A == 3 {
			_, err := client.Enqueue(ctx, client.From(ctx), sum, sumIn{A: 4}, client.Delay(time.Minute))
			return sumOut{}, err
		}
		return add(ctx, in)
	})
	enqueue(t, q, sumIn{A: 5}, client.Delay(time.Hour))
	last := enqueue(t, q, sumIn{A: 6}, client.Delay(2*time.Hour), client.ExpiresAt(time.Now().Add(3*time.Hour)))
	enqueue(t, q, sumIn{A: 3}, client.Delay(time.Second))
	enqueue(t, q, sumIn{A: 1})
	enqueue(t, q, sumIn{A: 2})
	waits, err := client.Enqueue(t.Context(), q, report, task.None{})
	if err != nil {
		t.Fatal(err)
	}
	q.Run(handler)
	if !slices.Equal(order, []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("ran in the order %v", order)
	}
	done, err := q.Wait(t.Context(), last.ID)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := client.Result(sum, done); err != nil || out.Sum != 7 || done.Attempt != 1 {
		t.Errorf("the result is %+v, %v; the task %+v", out, err, done)
	}
	if now, _ := q.Task(t.Context(), waits.ID); now.State != client.Pending {
		t.Errorf("a task without a handler is %s", now.State)
	}
}

func TestRecorderRetries(t *testing.T) {
	q := backbeattest.NewRecorder(t)
	made, err := client.Enqueue(t.Context(), q, report, task.None{})
	if err != nil {
		t.Fatal(err)
	}
	var attempts []int
	q.Run(report.Handle(func(ctx context.Context, _ task.None) (task.None, error) {
		if attempts = append(attempts, task.Info(ctx).Attempt); len(attempts) == 2 {
			return task.None{}, task.Snooze(time.Hour)
		}
		return task.None{}, errors.New("away")
	}))
	failed, _ := q.Task(t.Context(), made.ID)
	if !slices.Equal(attempts, []int{1, 2, 2, 3}) || failed.State != client.Failed || failed.Error.Message != "away" {
		t.Errorf("attempts %v, and the task is %+v", attempts, failed)
	}
}

// Who waits for a task runs it: here a handler, and the test.
func TestRecorderRunsWhatIsAwaited(t *testing.T) {
	q := backbeattest.NewRecorder(t)
	outer := task.Define[task.None, sumOut]("shop.outer", task.Timeout(time.Minute))
	q.Handle(sum.Handle(add), outer.Handle(func(ctx context.Context, _ task.None) (sumOut, error) {
		return client.Run(ctx, client.From(ctx), sum, sumIn{A: 20})
	}))
	if out, err := client.Run(t.Context(), q, outer, task.None{}); err != nil || out.Sum != 21 {
		t.Errorf("Run = %+v, %v", out, err)
	}
}

func TestWaitForRunElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := backbeattest.NewRecorder(t)
		var caller sync.WaitGroup
		caller.Go(func() {
			if out, err := client.Run(t.Context(), q, sum, sumIn{A: 1}); err != nil || out.Sum != 2 {
				t.Errorf("Run = %+v, %v", out, err)
			}
		})
		synctest.Wait()
		q.Run(sum.Handle(add))
		caller.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		made, err := client.Enqueue(ctx, q, report, task.None{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Wait(ctx, made.ID); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait for a task that nobody runs ends with %v", err)
		}
	})
}

func TestRecorderRunIsBounded(t *testing.T) {
	watched := &watchedTest{TB: t}
	q := backbeattest.NewRecorder(watched)
	if _, err := client.Enqueue(t.Context(), q, report, task.None{}); err != nil {
		t.Fatal(err)
	}
	q.Run(report.Handle(func(context.Context, task.None) (task.None, error) { return task.None{}, task.Snooze(time.Hour) }))
	if len(watched.said) != 1 || !strings.Contains(watched.said[0], "10000 attempts") {
		t.Errorf("a task that never ends: %q", watched.said)
	}
}
