package backbeattest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/task"
)

type sumIn struct {
	A int `json:"a" minimum:"0"`
	B int `json:"b,omitempty" default:"1"`
}

type sumOut struct {
	Sum int `json:"sum" maximum:"1000"`
}

var (
	sum    = task.Define[sumIn, sumOut]("shop.sum", task.Aliases("shop.add"), task.Timeout(time.Minute))
	report = task.Define[task.None, task.None]("shop.report", task.MaxRetries(2))
)

func add(_ context.Context, in sumIn) (sumOut, error) { return sumOut{in.A + in.B}, nil }

func TestRunSucceeds(t *testing.T) {
	out := backbeattest.Run(t, sum, func(ctx context.Context, in sumIn) (sumOut, error) {
		task.Progress(ctx, 10, "begun")
		task.Progress(ctx, 90, "nearly")
		if _, err := client.Enqueue(ctx, client.From(ctx), report, task.None{}); err != nil {
			return sumOut{}, err
		}
		return add(ctx, in)
	}, sumIn{A: 2})
	if out.State != client.Succeeded || out.Err != nil || out.Failure != nil || out.Result.Sum != 3 {
		t.Errorf("the outcome is %+v", out)
	}
	if diff := cmp.Diff([]client.Progress{{Percent: 10, Message: "begun"}, {Percent: 90, Message: "nearly"}}, out.Progress); diff != "" {
		t.Error(diff)
	}
	backbeattest.RequireEnqueued(t, out.Enqueued, report)
}

func TestRunFails(t *testing.T) {
	away := errors.New("away")
	for name, c := range map[string]struct {
		err     error
		attempt int
		state   client.State
		kind    client.ErrorKind
		delay   time.Duration
	}{
		"error":       {away, 1, client.Retrying, client.KindError, 0},
		"last":        {away, 4, client.Failed, client.KindError, 0},
		"permanent":   {task.Permanent(away), 1, client.Failed, client.KindPermanent, 0},
		"retry after": {task.RetryAfter(time.Hour, away), 3, client.Retrying, client.KindError, time.Hour},
		"too often":   {task.RetryAfter(time.Hour, away), 4, client.Failed, client.KindError, 0},
		"snooze":      {task.Snooze(time.Hour), 4, client.Scheduled, "", time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			out := backbeattest.Run(t, sum, func(ctx context.Context, _ sumIn) (sumOut, error) {
				if info := task.Info(ctx); info.Attempt != c.attempt || info.Metadata["tenant"] != "a" || info.MaxRetries != 3 || info.Queue != "default" {
					t.Errorf("the handler sees %+v", info)
				}
				return sumOut{}, c.err
			}, sumIn{A: 1}, backbeattest.WithInfo(task.RunInfo{Attempt: c.attempt, Metadata: map[string]string{"tenant": "a"}}))
			if out.State != c.state || out.Delay != c.delay || !errors.Is(out.Err, c.err) {
				t.Errorf("the outcome is %+v", out)
			}
			if (out.Failure == nil) != (c.kind == "") || out.Failure != nil && out.Failure.Kind != c.kind {
				t.Errorf("the failure is %+v", out.Failure)
			}
		})
	}
}

func TestRunOfBadPayload(t *testing.T) {
	out := backbeattest.Run(t, sum, add, sumIn{A: -1})
	if out.State != client.Failed || out.Failure.Kind != client.KindPermanent || !strings.Contains(out.Failure.Message, "payload.a") {
		t.Errorf("the outcome is %+v, %+v", out, out.Failure)
	}
}

func TestRunOfPanic(t *testing.T) {
	out := backbeattest.Run(t, sum, func(context.Context, sumIn) (sumOut, error) { panic("at the disco") }, sumIn{A: 1})
	if out.State != client.Retrying || out.Failure.Kind != client.KindPanic || out.Failure.Message != "panic: at the disco" {
		t.Errorf("the outcome is %+v, %+v", out, out.Failure)
	}
}

func TestRunTimesOut(t *testing.T) {
	for name, handler := range map[string]func(context.Context) error{
		"heeds its context": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"does not":          func(context.Context) error { time.Sleep(2 * time.Minute); return nil }, // by the clock of the bubble
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := backbeattest.Run(t, sum, func(ctx context.Context, _ sumIn) (sumOut, error) { return sumOut{}, handler(ctx) }, sumIn{A: 1})
				if out.State != client.Retrying || out.Failure.Kind != client.KindTimeout {
					t.Errorf("the outcome is %+v, %+v", out, out.Failure)
				}
			})
		})
	}
}

func TestRunChecksTheResult(t *testing.T) {
	watched := &watchedTest{TB: t}
	backbeattest.Run(watched, sum, func(context.Context, sumIn) (sumOut, error) { return sumOut{1001}, nil }, sumIn{A: 1})
	if len(watched.said) != 1 || !strings.Contains(watched.said[0], "result.sum") {
		t.Errorf("a result that does not fit its schema: %q", watched.said)
	}
}
