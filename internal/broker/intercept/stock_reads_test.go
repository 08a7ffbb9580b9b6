package intercept

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// storedMessage is what asynq finds of a task whose last attempt failed with the text.
func storedMessage(t *task.Task, failure string) []byte {
	a := &Attempt{Message: wire.NewMessage(t)}
	a.Fail(context.Background(), errors.New(failure), 0)
	return a.finalMessage(time.Now())
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
		err := rdb.HSet(t.Context(), "asynq:{default}:t:one", "state", "pending", "msg", storedMessage(asked, text)).Err()
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
		if p := wire.EncodeProgress(task.Report{Message: text}); !utf8.ValidString(p) {
			t.Errorf("the progress %q is not UTF-8", p)
		}
	})
}

// A handler can succeed in the moment in which asynq gives its task up. What has ended stays ended.
func TestEndInTheMomentOfTheAbort(t *testing.T) {
	a := &Attempt{Message: &wire.Message{}}
	a.Succeed(nil)
	a.requeue(task.Pending)
	if a.outcome != task.Succeeded {
		t.Errorf("the attempt has %s", a.outcome)
	}
}
