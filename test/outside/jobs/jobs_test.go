package jobs_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"example.com/shop/jobs"
	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/task"
)

func sum(_ context.Context, in jobs.SumIn) (out jobs.SumOut, err error) {
	for _, n := range in.Numbers {
		out.Sum += n
	}
	return out, nil
}

func TestSum(t *testing.T) {
	out := backbeattest.Run(t, jobs.Sum, sum, jobs.SumIn{Numbers: []int{1, 2, 3}})
	if out.State != client.Succeeded || out.Result.Sum != 6 {
		t.Errorf("got %+v", out)
	}
}

func signUp(ctx context.Context, q client.Enqueuer, user int64) error {
	_, err := client.Enqueue(ctx, q, jobs.Welcome, jobs.WelcomeIn{UserID: user}, client.Delay(time.Minute))
	return err
}

func TestSignUpWelcomes(t *testing.T) {
	ctx := t.Context()
	q := backbeattest.NewRecorder(t)
	signUp(ctx, q, 7)
	welcome := backbeattest.RequireEnqueued(t, q, jobs.Welcome) // welcome.In is typed, welcome.Task a *client.Task
	backbeattest.RequireNotEnqueued(t, q, jobs.Sum)
	if welcome.In.UserID != 7 {
		t.Errorf("welcomes %d", welcome.In.UserID)
	}
	go client.Enqueue(ctx, q, jobs.Sum, jobs.SumIn{Numbers: []int{1}})
	later := backbeattest.AwaitEnqueued(t, q, jobs.Sum, 10*time.Second) // by another goroutine
	if len(later.In.Numbers) != 1 {
		t.Errorf("adds %v", later.In.Numbers)
	}
}

func TestDeployment(t *testing.T) {
	ctx, in := t.Context(), jobs.SumIn{Numbers: []int{1, 2, 3}}
	d := backbeattest.Start(t, jobs.Sum.Handle(sum))
	out, err := client.Run(ctx, d.Client(), jobs.Sum, in) // through Redis
	if err != nil || out.Sum != 6 {
		t.Errorf("got %+v, %v", out, err)
	}
	api := httptest.NewServer(d.Handler()) // the HTTP API, without authentication
	defer api.Close()
	if res, err := http.Get(api.URL + "/v1/task-types"); err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusOK {
		t.Errorf("got %v, %v", res, err)
	}
}

// A new user is welcomed a minute after the sign-up, also when the mail server is away for a time.
func TestWelcome(t *testing.T) {
	ctx := t.Context()
	d := backbeattest.Start(t, jobs.Welcome.Handle(func(ctx context.Context, _ jobs.WelcomeIn) (task.None, error) {
		if task.Info(ctx).Attempt < 3 {
			return task.None{}, task.RetryAfter(time.Hour, errors.New("connection refused"))
		}
		return task.None{}, nil
	}))
	welcome, err := client.Enqueue(ctx, d.Client(), jobs.Welcome, jobs.WelcomeIn{UserID: 7}, client.Delay(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		after time.Duration
		state client.State
	}{{0, client.Scheduled}, {time.Minute, client.Retrying}, {time.Hour, client.Retrying}, {time.Hour, client.Succeeded}} {
		d.Advance(want.after)
		d.WaitIdle(ctx)
		if got, err := d.Client().Task(ctx, welcome.ID); err != nil || got.State != want.state {
			t.Fatalf("after another %s the task is %+v, %v; want it %s", want.after, got, err, want.state)
		}
	}
}

func TestDailyReport(t *testing.T) {
	ctx, in := t.Context(), jobs.SumIn{Numbers: []int{1, 2, 3}}
	reports := make(chan int, 10)
	d := backbeattest.Start(t, jobs.Sum.Handle(func(ctx context.Context, in jobs.SumIn) (jobs.SumOut, error) {
		out, err := sum(ctx, in)
		reports <- out.Sum
		return out, err
	}))
	api := httptest.NewServer(d.Handler())
	defer api.Close()
	c, err := client.New(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	report := client.ScheduleSpec{
		Trigger: client.Trigger{Every: client.Duration(24 * time.Hour)},
		Task:    client.TaskTemplate{Type: jobs.Sum.Name, Payload: in},
	}
	if _, err := c.PutSchedule(ctx, "report", report); err != nil {
		t.Fatal(err)
	}
	d.Advance(3 * 24 * time.Hour) // fires it three times
	d.WaitIdle(ctx)               // until the last has finished
	if len(reports) != 3 {
		t.Errorf("%d reports in three days", len(reports))
	}
}
