package tasks_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

func TestMain(m *testing.M) {
	if payload := os.Getenv(exitPayload); payload != "" {
		exitAsAsked(payload)
	}
	// Read once in the life of a process, so it is set before anything can read it.
	os.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	goleak.VerifyTestMain(m)
}

func newSet(t *testing.T, opts tasks.Options) tasks.Set {
	t.Helper()
	set, err := tasks.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// handler returns what runs the tasks of a type.
func handler(t *testing.T, set tasks.Set, name string) task.Func {
	t.Helper()
	handlers, err := catalog.Handlers(nil, set)
	if err != nil || handlers[name] == nil {
		t.Fatalf("no handler of %s: %v", name, err)
	}
	return handlers[name].Run
}

// start is the context of the first attempt of the task "order-17".
func start(ctx context.Context) context.Context {
	return task.NewContext(ctx, task.RunInfo{ID: "order-17", Attempt: 1}, func(task.Report) {})
}

// run runs the handler of a type once and returns the result, decoded as Out.
func run[Out any](ctx context.Context, t *testing.T, set tasks.Set, name, payload string) (Out, error) {
	t.Helper()
	var out Out
	result, err := handler(t, set, name)(ctx, []byte(payload))
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

// validationErrorsOf returns what is wrong with a payload, as a caller is told it: "location: message".
func validationErrorsOf(t *testing.T, name, payload string) []string {
	t.Helper()
	handlers, err := catalog.Handlers(nil, tasks.Builtin())
	if err != nil || handlers[name] == nil {
		t.Fatalf("no type %s: %v", name, err)
	}
	var faults []string
	for _, f := range handlers[name].Type.Validate([]byte(payload)) {
		faults = append(faults, f.Location+": "+f.Message)
	}
	return faults
}

// quote writes text as JSON.
func quote(text string) string {
	data, _ := json.Marshal(text) // a string always can be
	return string(data)
}
