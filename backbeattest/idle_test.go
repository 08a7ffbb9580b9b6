package backbeattest_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/task"
)

func TestWaitIdleWaitsForWhatHandlersEnqueue(t *testing.T) {
	t.Parallel()
	var runs counter
	d := backbeattest.Start(t, nothing.Handle(func(ctx context.Context, in task.None) (task.None, error) {
		if runs.Add(1) == 6 {
			return in, nil
		}
		_, err := client.Enqueue(ctx, client.From(ctx), nothing, in)
		return in, err
	}))
	submit(t, d)
	d.WaitIdle(t.Context())
	if got := runs.Load(); got != 6 {
		t.Errorf("%d runs", got)
	}
}

func TestWaitIdleTellsWhatThereIsToDo(t *testing.T) {
	t.Parallel()
	var d *backbeattest.Deployment
	end := make(chan struct{})
	defer close(end)
	w := &watchedTest{TB: t}
	waitIdle := func() {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		defer func() { _ = recover() }()
		w.said = nil
		d.WaitIdle(ctx)
	}
	d = backbeattest.Start(w, nothing.Handle(func(context.Context, task.None) (task.None, error) {
		<-end
		return task.None{}, nil
	}))
	pause(t, d, "low")
	running, paused := submit(t, d), submit(t, d, client.Queue("low"))
	unknown, err := client.Enqueue(t.Context(), d.Client(), task.Define[task.None, task.None]("test.unknown"), task.None{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"task " + running.ID + " (test.nothing, running) in queue default is running",
		"task " + paused.ID + " (test.nothing, pending) in queue low is pending: the queue is paused",
		"task " + unknown.ID + " (test.unknown, pending) in queue default waits for a worker that knows its type",
	}
	said := ""
	for range 200 {
		waitIdle()
		said = strings.Join(w.said, "\n")
		if !slices.ContainsFunc(want, func(line string) bool { return !strings.Contains(said, line) }) {
			return
		}
	}
	t.Errorf("WaitIdle says %s\nwant the lines %q", said, want)
}
