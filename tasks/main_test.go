package tasks_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/task"
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

func newDeps(t *testing.T, opts tasks.Options) *tasks.Deps {
	t.Helper()
	deps, err := tasks.NewDeps(opts)
	if err != nil {
		t.Fatal(err)
	}
	return deps
}

// start is the context of the first attempt of the task "order-17".
func start(ctx context.Context) context.Context {
	return task.NewContext(ctx, task.RunInfo{ID: "order-17", Attempt: 1}, func(task.Report) {})
}

// run runs the handler of a type once and returns the result, decoded as Out.
func run[Out any](ctx context.Context, t *testing.T, deps *tasks.Deps, name, payload string) (Out, error) {
	t.Helper()
	var out Out
	result, err := tasks.Handlers(deps, true)[name](ctx, []byte(payload))
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

// faultsOf returns what is wrong with a payload, as a caller is told it: "location: message".
func faultsOf(t *testing.T, name, payload string) []string {
	t.Helper()
	r := task.NewRegistry([]string{"default"}, time.Hour)
	if err := tasks.Register(r, true); err != nil {
		t.Fatal(err)
	}
	typ, ok := r.Lookup(name)
	if !ok {
		t.Fatalf("no type %s", name)
	}
	var faults []string
	for _, f := range typ.Validate([]byte(payload)) {
		faults = append(faults, f.Location+": "+f.Message)
	}
	return faults
}

// quote writes text as JSON.
func quote(text string) string {
	data, _ := json.Marshal(text) // a string always can be
	return string(data)
}
