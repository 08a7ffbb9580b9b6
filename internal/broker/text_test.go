package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/broker"
	"github.com/backbeat-go/backbeat/internal/redistest"
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

// FuzzStockReads feeds every string that a task can carry through asynq's own decoder.
func FuzzStockReads(f *testing.F) {
	f.Add("echo", "id", "key", "value", "https://a.example", "no luck")
	f.Add("\xff", "\xff", "\xff", "\xff", "\xff", "\xff")
	f.Add("é", "é", "", "\x00", "é", strings.Repeat("x", 8191)+"é")
	server := redistest.Start(f)
	rdb := server.Client(f)
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	if err := rdb.SAdd(f.Context(), "asynq:queues", "default").Err(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, taskType, id, key, value, url, text string) {
		asked := &task.Task{
			ID: id, Type: taskType, Queue: "default", Payload: []byte(value), MaxRetries: 3, UniqueFor: time.Minute,
			CreatedAt: time.UnixMilli(1), Metadata: map[string]string{key: value},
			Schedule: &task.Tick{ScheduleID: id}, Callback: &task.Callback{URL: url, Events: []task.State{task.Failed}},
		}
		err := rdb.HSet(t.Context(), "asynq:{default}:t:one", "state", "pending", "msg", broker.StoredMessage(asked, text)).Err()
		if err != nil {
			t.Fatal(err)
		}
		info, err := inspector.GetTaskInfo("default", "one")
		if err != nil {
			t.Fatal(err)
		}
		if utf8.ValidString(text) && len(text) <= 8192 && info.LastErr != text {
			t.Errorf("asynq reads %q, not %q", info.LastErr, text)
		}
		if len(info.LastErr) > 8192+len(" …") {
			t.Errorf("%d bytes are stored of an error of %d", len(info.LastErr), len(text))
		}
		if p := broker.StoredProgress(task.Report{Message: text}); !utf8.ValidString(p) {
			t.Errorf("the progress %q is not UTF-8", p)
		}
	})
}

// A handler can succeed in the moment in which asynq gives its task up. What has ended stays ended.
func TestEndInTheMomentOfTheAbort(t *testing.T) {
	if got := broker.OutcomeWhenAborted(); got != task.Succeeded {
		t.Errorf("the attempt has %s", got)
	}
}
