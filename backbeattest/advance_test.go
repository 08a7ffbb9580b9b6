package backbeattest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/task"
)

func TestAdvanceStartsDelayedTasks(t *testing.T) {
	t.Parallel()
	var runs counter
	d := backbeattest.Start(t, nothing.Handle(runs.run))
	before := d.Now()
	created := submit(t, d, client.Delay(day))
	d.WaitIdle(t.Context())
	wantState(t, d, created.ID, client.Scheduled)
	d.Advance(day - time.Hour)
	wantState(t, d, created.ID, client.Scheduled)
	d.Advance(time.Hour)
	d.WaitIdle(t.Context())
	done := wantState(t, d, created.ID, client.Succeeded)
	if done.StartedAt.Sub(before) < day {
		t.Errorf("started at %s, %s after it was enqueued", done.StartedAt, done.StartedAt.Sub(before))
	}
	if passed := d.Now().Sub(before); passed < day || passed > day+time.Hour {
		t.Errorf("the time has moved by %s", passed)
	}
}

// Each retry comes in its time, and the deployment's clients see the same time as its scripts.
func TestAdvanceGoesFromRetryToRetry(t *testing.T) {
	t.Parallel()
	d := backbeattest.Start(t, nothing.Handle(func(ctx context.Context, _ task.None) (task.None, error) {
		if task.Info(ctx).Attempt < 4 {
			return task.None{}, task.RetryAfter(time.Hour, errors.New("away"))
		}
		return task.None{}, nil
	}))
	for range 2 {
		created := submit(t, d)
		d.Advance(3*time.Hour + time.Minute)
		d.WaitIdle(t.Context())
		if done := wantState(t, d, created.ID, client.Succeeded); done.Attempt != 4 || done.FinishedAt.Sub(done.CreatedAt) < 3*time.Hour {
			t.Errorf("attempt %d, created %s, finished %s", done.Attempt, done.CreatedAt, done.FinishedAt)
		}
	}
}

func TestAdvanceFiresSchedules(t *testing.T) {
	t.Parallel()
	var runs counter
	d := backbeattest.Start(t, nothing.Handle(runs.run))
	putSchedule(t, d, "daily", client.ScheduleSpec{
		Trigger: client.Trigger{Every: client.Duration(day)}, Task: client.TaskTemplate{Type: nothing.Name},
	})
	for n := int64(1); n <= 3; n++ {
		d.Advance(day)
		d.WaitIdle(t.Context())
		if got := runs.Load(); got != n {
			t.Errorf("%d runs after %d days", got, n)
		}
	}
	putSchedule(t, d, "often", client.ScheduleSpec{
		Trigger: client.Trigger{Cron: "*/30 * * * *"}, Task: client.TaskTemplate{Type: nothing.Name},
	})
	runs.Store(0)
	d.Advance(2 * time.Hour)
	d.WaitIdle(t.Context())
	if got := runs.Load(); got != 4 && got != 5 { // the last may come while the test takes its time
		t.Errorf("%d runs of a schedule in 4 of its intervals", got)
	}
}

func TestAdvanceEndsTasks(t *testing.T) {
	t.Parallel()
	var runs counter
	d := backbeattest.Start(t, nothing.Handle(runs.run))
	pause(t, d, "default")
	created := submit(t, d, client.ExpiresAt(d.Now().Add(time.Hour)), client.Retention(time.Hour))
	d.Advance(time.Hour)
	wantState(t, d, created.ID, client.Expired)
	d.Advance(time.Hour)
	if _, err := d.Client().Task(t.Context(), created.ID); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Task = %v after its retention", err)
	}
}

// A move of the time is not the end of a lease, a worker or a leader.
func TestAdvanceLeavesProcessesAlone(t *testing.T) {
	t.Parallel()
	var runs counter
	started, end := make(chan struct{}, 10), make(chan struct{})
	d := backbeattest.Start(t, nothing.Handle(func(ctx context.Context, in task.None) (task.None, error) {
		started <- struct{}{}
		select {
		case <-end:
		case <-ctx.Done():
			return task.None{}, ctx.Err()
		}
		return runs.run(ctx, in)
	}), sum.Handle(add))
	api := overHTTP(t, d)
	putSchedule(t, d, "first", client.ScheduleSpec{
		Trigger: client.Trigger{At: d.Now()}, Task: client.TaskTemplate{Type: sum.Name, Payload: sumIn{}}, MisfireGraceTime: client.Duration(day),
	})
	d.WaitIdle(t.Context()) // until there is a leader
	before, err := api.Beat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	created := submit(t, d)
	<-started
	d.Advance(30 * day)
	d.Advance(day) // it does not wait for the handler once more
	wantState(t, d, created.ID, client.Running)
	if after, err := api.Beat(t.Context()); err != nil || before.Leader == nil || after.Leader == nil || *after.Leader != *before.Leader {
		t.Errorf("the leader was %+v, and is %+v, %v", before.Leader, after.Leader, err)
	}
	if workers, err := api.Workers(t.Context()); err != nil || len(workers) != 1 {
		t.Errorf("%d workers, %v", len(workers), err)
	}
	close(end)
	d.WaitIdle(t.Context())
	if done := wantState(t, d, created.ID, client.Succeeded); done.Attempt != 1 || runs.Load() != 1 {
		t.Errorf("attempt %d, %d runs", done.Attempt, runs.Load())
	}
}

func TestAdvanceEndsUniqueness(t *testing.T) {
	t.Parallel()
	var runs counter
	d := backbeattest.Start(t, nothing.Handle(runs.run))
	submit(t, d, client.UniqueFor(time.Hour), client.Delay(2*time.Hour))
	enqueue := func() error {
		_, err := client.Enqueue(t.Context(), d.Client(), nothing, task.None{}, client.UniqueFor(time.Hour))
		return err
	}
	d.Advance(time.Hour - time.Minute)
	if err := enqueue(); !errors.Is(err, client.ErrConflict) {
		t.Errorf("a duplicate: %v", err)
	}
	d.Advance(time.Minute)
	if err := enqueue(); err != nil {
		t.Errorf("a duplicate after unique_for: %v", err)
	}
}
