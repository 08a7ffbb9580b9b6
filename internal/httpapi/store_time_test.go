package httpapi_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// hung is a store that does not answer. Its calls end with their contexts, and at once where there is no deadline.
type hung struct{ schedule.Store }

func (hung) wait(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		return errors.New("the call has no deadline")
	}
	<-ctx.Done()
	return task.Unavailable(ctx.Err())
}

func (hung) Now() time.Time { return time.Now() }

func (h hung) Get(ctx context.Context, _ string) (*schedule.Schedule, error) { return nil, h.wait(ctx) }

func (h hung) List(ctx context.Context, _ string, _ int) ([]*schedule.Schedule, string, error) {
	return nil, "", h.wait(ctx)
}

func (h hung) Update(
	ctx context.Context, _ string, _ func(*schedule.Schedule) (*schedule.Schedule, []schedule.Run, error),
) (*schedule.Schedule, error) {
	return nil, h.wait(ctx)
}

func (h hung) Leadership(ctx context.Context) (*lease.Holder, []lease.Holder, error) {
	return nil, nil, h.wait(ctx)
}

func TestCallsEndWhileTheStoreHangs(t *testing.T) {
	base := serve(t, &stub{}, func(c *httpapi.Config) { c.Schedules, c.Beats = hung{}, hung{} })
	for _, call := range [][3]string{
		{"GET", "/v1/schedules", ""},
		{"GET", "/v1/schedules/a", ""},
		{"PUT", "/v1/schedules/a", `{"every":"1m","task":{"type":"echo","payload":{}}}`},
		{"POST", "/v1/schedules/a/pause", ""},
		{"GET", "/v1/beat", ""},
	} {
		t.Run(call[0]+call[1], func(t *testing.T) {
			t.Parallel()
			if got := ask(t, call[0], base+call[1], call[2]); got.status != 503 {
				t.Errorf("status %d: %s", got.status, got.body)
			}
		})
	}
}
