package broker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// A retry by hand begins a round of attempts, with all retries. The handler counts like the task.
func TestARetryByHandCountsAttemptsAnew(t *testing.T) {
	f := newFleet(t)
	attempts := make(chan int, 10)
	define(f, "count", func(ctx context.Context, _ input) (task.None, error) {
		attempts <- task.Info(ctx).Attempt
		return task.None{}, task.RetryAfter(0, errors.New("no luck"))
	})
	f.worker()
	id := f.enqueue(task.Request{Type: "count", MaxRetries: ptr(1)}).ID
	retry := map[string]func(){
		"one": func() {
			got, err := f.client.Retry(t.Context(), id)
			f.must(err)
			if got.Error != nil {
				t.Errorf("retried, it shows the error %+v", got.Error)
			}
		},
		"bulk": func() {
			f.wantBulk(fleet.Bulk{Action: fleet.ActionRetry, Filter: fleet.Filter{States: []task.State{task.Failed}}}, 1, 1, 0)
		},
	}
	total := 0
	for _, how := range []string{"", "one", "bulk"} {
		if how != "" {
			retry[how]()
		}
		total += 2
		if got := f.wait(id); got.State != task.Failed || got.Attempt != 2 || got.TotalAttempts != total {
			t.Errorf("%q: %s after %d attempts of %d", how, got.State, got.Attempt, got.TotalAttempts)
		}
		if first, second := <-attempts, <-attempts; first != 1 || second != 2 {
			t.Errorf("%q: the handler counted %d and %d", how, first, second)
		}
	}
}

// A stock server counts retries only, and those of its tasks that were archived begin anew as well.
func TestARetryByHandOfATaskThatAStockServerRan(t *testing.T) {
	f := newFleet(t)
	info, err := f.stockClient().Enqueue(asynq.NewTask("echo", []byte(`{"n":1}`)), asynq.MaxRetry(0), asynq.Retention(time.Hour))
	f.must(err)
	stock := f.stockServer(func(context.Context, *asynq.Task) error { return errors.New("no luck") })
	if got := f.wait(info.ID); got.State != task.Failed || got.Attempt != 1 || got.TotalAttempts != 1 {
		t.Errorf("%s after %d attempts of %d", got.State, got.Attempt, got.TotalAttempts)
	}
	stock.Shutdown()
	if got, err := f.client.Retry(t.Context(), info.ID); err != nil || got.Attempt != 0 || got.TotalAttempts != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	f.worker()
	if got := f.wait(info.ID); got.State != task.Succeeded || got.Attempt != 1 || got.TotalAttempts != 2 {
		t.Errorf("%s after %d attempts of %d", got.State, got.Attempt, got.TotalAttempts)
	}
}
