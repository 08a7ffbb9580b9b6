package jobs_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"example.com/shop/jobs"
	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
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
