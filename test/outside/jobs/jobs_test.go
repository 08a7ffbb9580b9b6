package jobs_test

import (
	"context"
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
	q := backbeattest.NewRecorder(t)
	if err := signUp(t.Context(), q, 7); err != nil {
		t.Fatal(err)
	}
	if welcome := backbeattest.RequireEnqueued(t, q, jobs.Welcome); welcome.In.UserID != 7 {
		t.Errorf("welcomes %d", welcome.In.UserID)
	}
}
