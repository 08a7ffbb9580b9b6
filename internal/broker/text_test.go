package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/task"
)

// asynq reads no message with a string that is not UTF-8: the attempts of a task with one would never end.
func TestTextsThatAreNotUTF8(t *testing.T) {
	f := newFleet(t)
	texts := map[string]struct{ text, want string }{
		"bytes":   {"550 \xff\xfe no such user", "550 \uFFFD no such user"},
		"nothing": {"\xff", "\uFFFD"},
		"cut":     {strings.Repeat("x", 8191) + "é and so on", strings.Repeat("x", 8191) + " …"},
		"longer":  {strings.Repeat("\xffx", 4000), strings.Repeat("\uFFFDx", 2048) + " …"},
		"panic":   {"panic: \xff", "panic: \uFFFD"},
		"short":   {strings.Repeat("x", 8192), strings.Repeat("x", 8192)},
	}
	define(f, "odd", func(ctx context.Context, _ input) (task.None, error) {
		text := texts[task.Info(ctx).ID].text
		task.Progress(ctx, 50, text)
		if strings.HasPrefix(text, "panic: ") {
			panic(strings.TrimPrefix(text, "panic: "))
		}
		return task.None{}, errors.New(text)
	}, task.MaxRetries(2), task.Retry(task.Backoff{}))
	f.worker()
	for id := range texts {
		f.enqueue(task.Request{Type: "odd", ID: id, Metadata: map[string]string{"from\xff": "mail\xff"}})
	}
	inspector := f.stockInspector()
	for id, c := range texts {
		got := f.wait(id)
		if got.State != task.Failed || got.Attempt != 3 || got.Error == nil || got.Error.Message != c.want {
			t.Errorf("%s: %s after %d attempts: %+v", id, got.State, got.Attempt, got.Error)
		}
		if got.Progress == nil || got.Progress.Message != c.want {
			t.Errorf("%s: progress %+v", id, got.Progress)
		}
		info, err := inspector.GetTaskInfo("default", id)
		if err != nil || info.LastErr != c.want || info.Headers["from\uFFFD"] != "mail\uFFFD" {
			t.Errorf("%s: asynq reads %+v, %v", id, info, err)
		}
	}
}
