package client_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/backbeat-go/backbeat/client"
)

// TestASchedule goes through the life of one.
func TestASchedule(t *testing.T) {
	c, ctx := connect(t, server), within(t)
	end := time.Date(2099, time.January, 1, 0, 0, 0, 0, time.UTC)
	retries, instances, coalesce, retention := 5, 0, false, client.Duration(2*time.Hour)
	spec := client.ScheduleSpec{
		Trigger: client.Trigger{Cron: "0 2 1 * mon", Timezone: "Europe/Berlin", DayMatch: "and", EndAt: end},
		Task: client.TaskTemplate{
			Type: "debug.echo", Payload: map[string]int{"n": 1}, Queue: "low", MaxRetries: &retries, Timeout: client.Duration(time.Minute),
			Retention: &retention, Metadata: map[string]string{"tenant": "a"},
		},
		MisfireGraceTime: client.Duration(time.Hour), Coalesce: &coalesce, MaxInstances: &instances, Jitter: client.Duration(time.Second),
		MaxRuns: 7, PauseAfterFailures: 3,
	}
	put, err := c.PutSchedule(ctx, "life", spec, client.IfNew())
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Schedule(ctx, "life")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(put, got); diff != "" || got.ETag == "" || got.NextRunAt.IsZero() || got.CreatedAt.IsZero() {
		t.Errorf("%+v (-put +got):\n%s", got, diff)
	}
	want := &client.Schedule{
		ID: "life", Trigger: spec.Trigger, MisfireGraceTime: spec.MisfireGraceTime, Jitter: spec.Jitter, MaxRuns: 7, PauseAfterFailures: 3,
		Origin: "api",
	}
	want.Task.TaskTemplate, want.Task.Payload = spec.Task, json.RawMessage(`{"n":1}`)
	want.Task.TaskTemplate.Payload = nil
	ignore := cmpopts.IgnoreFields(client.Schedule{}, "ETag", "NextRunAt", "CreatedAt", "UpdatedAt")
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	if _, err := c.PutSchedule(ctx, "life", spec, client.IfNew()); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("created twice: %v", err)
	}
	patched, err := c.PatchSchedule(ctx, "life", map[string]any{"every": "1h", "max_runs": nil}, client.IfMatch(got.ETag))
	if err != nil || patched.Every != client.Duration(time.Hour) || patched.Cron != "" || patched.MaxRuns != 0 || patched.ETag == got.ETag {
		t.Errorf("patched: %+v, %v", patched, err)
	}
	if err := c.DeleteSchedule(ctx, "life", client.IfMatch(got.ETag)); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("deleted as it was before: %v", err)
	}
	if s, err := c.PauseSchedule(ctx, "life"); err != nil || !s.Paused || s.PausedReason != "user" {
		t.Errorf("paused: %+v, %v", s, err)
	}
	if s, err := c.ResumeSchedule(ctx, "life"); err != nil || s.Paused {
		t.Errorf("resumed: %+v, %v", s, err)
	}
	task, err := c.TriggerSchedule(ctx, "life")
	if err != nil || task.Schedule == nil || task.Schedule.ScheduleID != "life" {
		t.Fatalf("triggered: %+v, %v", task, err)
	}
	if _, err := c.Wait(ctx, task.ID); err != nil {
		t.Error(err)
	}
	runs, err := c.ScheduleRuns(ctx, "life", 5)
	if err != nil || len(runs) != 1 || runs[0].TaskID != task.ID || runs[0].Outcome != "triggered" || runs[0].State != client.Succeeded {
		t.Errorf("runs: %+v, %v", runs, err)
	}
	if err := c.DeleteSchedule(ctx, "life"); err != nil {
		t.Error(err)
	}
	for s, err := range c.Schedules(ctx) {
		if err != nil || s.ID == "life" {
			t.Errorf("deleted and listed: %+v, %v", s, err)
		}
	}
}

func TestAScheduleDocument(t *testing.T) {
	c, ctx := connect(t, server), within(t)
	_, err := c.PutScheduleDocument(ctx, "document", json.RawMessage(`{"every": "1s", "task": {"type": "debug.noop"}, "max_runs": 0}`))
	if e, ok := errors.AsType[*client.Error](err); !ok || len(e.Errors) != 1 || e.Errors[0].Location != "body.max_runs" {
		t.Errorf("error %v", err)
	}
}

func TestSchedulesAreListed(t *testing.T) {
	c, ctx := connect(t, server), within(t)
	ids := []string{"list-a", "list-b", "list-c"}
	for _, id := range ids {
		if _, err := c.PutSchedule(ctx, id, client.ScheduleSpec{Trigger: client.Trigger{Every: client.Duration(time.Hour)}, Task: client.TaskTemplate{Type: "debug.noop"}}); err != nil {
			t.Fatal(err)
		}
		defer c.DeleteSchedule(ctx, id)
	}
	var got []string
	for s, err := range c.Schedules(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s.ID)
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
