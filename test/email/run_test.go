// Package email_test has email.send talk to an SMTP server that is not of this project.
package email_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is the context of the first attempt of the task "order-17".
func start(ctx context.Context) context.Context {
	return task.NewContext(ctx, task.RunInfo{ID: "order-17", Attempt: 1}, func(task.Report) {})
}

func newHandler(t *testing.T, opts tasks.Options) *task.Handler {
	t.Helper()
	set, err := tasks.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	handlers, err := catalog.Handlers(nil, set)
	if err != nil || handlers["email.send"] == nil {
		t.Fatalf("no handler of email.send: %v", err)
	}
	return handlers["email.send"]
}

// run runs email.send once.
func run(ctx context.Context, t *testing.T, h *task.Handler, payload string) (out tasks.EmailSendOut, err error) {
	t.Helper()
	result, err := h.Run(ctx, []byte(payload))
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(result, &out); err != nil {
		t.Fatalf("result %q: %v", result, err)
	}
	return out, nil
}

func checkFailure(t *testing.T, err error, kind task.ErrorKind, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("it succeeded")
	}
	if got := task.FailureOf(t.Context(), err).Kind; got != kind {
		t.Errorf("kind %s, want %s: %v", got, kind, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q lacks %q", err, word)
		}
	}
}
