package backbeattest_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/task"
)

// Several deployments run at once, and each has its own tasks.
func TestStart(t *testing.T) {
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			d := backbeattest.Start(t, sum.Handle(add))
			api := httptest.NewServer(d.Handler())
			defer api.Close()
			overHTTP, err := client.New(api.URL)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for name, q := range map[string]client.Enqueuer{"redis": d.Client(), "http": overHTTP} {
				if out, err := client.Run(ctx, q, sum, sumIn{A: i}, client.ID(name)); err != nil || out.Sum != i+1 {
					t.Errorf("%s: Run = %+v, %v", name, out, err)
				}
			}
		})
	}
}

// day is far longer than any test may take.
const day = 24 * time.Hour

var nothing = task.Define[task.None, task.None]("test.nothing", task.MaxRetries(3))

// counter counts the runs of a handler.
type counter struct{ atomic.Int64 }

func (c *counter) run(context.Context, task.None) (task.None, error) {
	c.Add(1)
	return task.None{}, nil
}

func submit(t *testing.T, d *backbeattest.Deployment, opts ...client.TaskOption) *client.Task {
	t.Helper()
	created, err := client.Enqueue(t.Context(), d.Client(), nothing, task.None{}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return created
}

func wantState(t *testing.T, d *backbeattest.Deployment, id string, want task.State) *client.Task {
	t.Helper()
	got, err := d.Client().Task(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != want {
		t.Errorf("task %s is %s, want %s", id, got.State, want)
	}
	return got
}

// overHTTP returns a client of the deployment's API.
func overHTTP(t *testing.T, d *backbeattest.Deployment) *client.Client {
	t.Helper()
	api := httptest.NewServer(d.Handler())
	t.Cleanup(api.Close)
	c, err := client.New(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pause(t *testing.T, d *backbeattest.Deployment, queue string) {
	t.Helper()
	if _, err := overHTTP(t, d).PauseQueue(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
}

func putSchedule(t *testing.T, d *backbeattest.Deployment, id string, s client.ScheduleSpec) {
	t.Helper()
	if _, err := overHTTP(t, d).PutSchedule(t.Context(), id, s); err != nil {
		t.Fatal(err)
	}
}
