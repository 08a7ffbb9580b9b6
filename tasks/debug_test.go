package tasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

func attempt(ctx context.Context, n int) context.Context {
	return task.NewContext(ctx, task.RunInfo{ID: "order-17", Attempt: n}, func(task.Report) {})
}

func TestNoopReturnsNothingAndLeavesNothing(t *testing.T) {
	result, err := handler(t, newSet(t, tasks.Options{}), "debug.noop")(start(t.Context()), nil)
	if result != nil || err != nil {
		t.Errorf("got %q, %v", result, err)
	}
	if r := tasks.DebugNoop.Retention; r == nil || *r != 0 {
		t.Errorf("it is kept for %v", r)
	}
}

func TestEchoKeepsEveryNumber(t *testing.T) {
	for payload, want := range map[string]string{
		`{"big":12345678901234567890,"price":1.10,"exp":1E5}`: `{"big":12345678901234567890,"price":1.10,"exp":1E5}`,
		`{ "nested": {"list": [1, null, {"ü": "\u0000"}]} }`:  `{"nested":{"list":[1,null,{"ü":"\u0000"}]}}`,
		`{}`: `{}`,
		``:   `{}`,
	} {
		got, err := run[json.RawMessage](start(t.Context()), t, newSet(t, tasks.Options{}), "debug.echo", payload)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v", payload, got, err)
		}
	}
	for _, payload := range []string{`[]`, `"text"`, `7`} {
		if diff := cmp.Diff([]string{"payload: expected object"}, validationErrorsOf(t, "debug.echo", payload)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", payload, diff)
		}
	}
}

func TestSleepReportsEachStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var reports []task.Report
		var at []time.Duration
		ctx := task.NewContext(t.Context(), task.RunInfo{}, func(r task.Report) {
			reports, at = append(reports, r), append(at, time.Since(began))
		})
		out, err := run[tasks.DebugSleepOut](ctx, t, newSet(t, tasks.Options{}), "debug.sleep", `{"duration": "1h", "steps": 3}`)
		if err != nil || out.Slept != task.Duration(time.Hour) {
			t.Errorf("got %+v, %v", out, err)
		}
		want := []task.Report{{Percent: 100.0 / 3, Message: "step 1 of 3"}, {Percent: 200.0 / 3, Message: "step 2 of 3"}, {Percent: 100, Message: "step 3 of 3"}}
		if diff := cmp.Diff(want, reports); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]time.Duration{20 * time.Minute, 40 * time.Minute, time.Hour}, at); diff != "" {
			t.Errorf("times of the reports (-want +got):\n%s", diff)
		}
	})
}

func TestSleepHasTenStepsByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := 0
		ctx := task.NewContext(t.Context(), task.RunInfo{}, func(task.Report) { reports++ })
		if _, err := run[tasks.DebugSleepOut](ctx, t, newSet(t, tasks.Options{}), "debug.sleep", `{"duration": "1s"}`); err != nil || reports != 10 {
			t.Errorf("%d reports, %v", reports, err)
		}
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		_, err := run[tasks.DebugSleepOut](ctx, t, newSet(t, tasks.Options{}), "debug.sleep", `{"duration": "1000000h"}`)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 90*time.Second {
			t.Errorf("%v after %s", err, took)
		}
		if kind := task.FailureOf(ctx, err).Kind; kind != task.KindTimeout {
			t.Errorf("kind %s", kind)
		}
	})
}

func TestFail(t *testing.T) {
	set := newSet(t, tasks.Options{})
	tests := []struct {
		payload string
		attempt int
		want    task.ErrorKind // none: it succeeds
	}{
		{`{}`, 1, task.KindError},
		{`{}`, 1000, task.KindError},
		{`{"kind": "error"}`, 1, task.KindError},
		{`{"kind": "permanent"}`, 1, task.KindPermanent},
		{`{"times": 2}`, 1, task.KindError},
		{`{"times": 2}`, 2, task.KindError},
		{`{"times": 2}`, 3, ""},
		{`{"times": 0, "kind": "exit"}`, 1, ""},
		{`{"times": 1, "kind": "permanent"}`, 2, ""},
	}
	for _, tt := range tests {
		t.Run(tt.payload+" at attempt "+strconv.Itoa(tt.attempt), func(t *testing.T) {
			out, err := run[tasks.DebugFailOut](attempt(t.Context(), tt.attempt), t, set, "debug.fail", tt.payload)
			switch {
			case tt.want != "":
				checkFailure(t, err, tt.want, "failed as asked")
			case err != nil || out.Attempts != tt.attempt:
				t.Errorf("got %+v, %v", out, err)
			}
		})
	}
}

func TestFailPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it did not")
		}
	}()
	_, _ = run[tasks.DebugFailOut](start(t.Context()), t, newSet(t, tasks.Options{}), "debug.fail", `{"kind": "panic"}`)
}

// exitPayload names the variable that makes this test program run one debug.fail and nothing else.
const exitPayload = "BACKBEAT_TEST_EXIT_PAYLOAD"

func exitAsAsked(payload string) {
	set, err := tasks.New(tasks.Options{})
	if err != nil {
		panic(err)
	}
	defer os.Exit(0) // runs after a panic as well, which is not what was asked for
	handlers, _ := catalog.Handlers(nil, set)
	_, _ = handlers["debug.fail"].Run(start(context.Background()), []byte(payload))
}

func TestFailEndsTheProcess(t *testing.T) {
	for payload, ends := range map[string]bool{`{"kind": "exit"}`: true, `{"kind": "exit", "times": 0}`: false} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), exitPayload+"="+payload)
		err := cmd.Run()
		if died, ok := errors.AsType[*exec.ExitError](err); ok != ends || ok && died.ExitCode() <= 0 {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func TestDebugPayloads(t *testing.T) {
	for _, tt := range []struct{ name, payload, want string }{
		{"debug.sleep", `{}`, "payload.duration: is required"},
		{"debug.sleep", `{"duration": 5}`, "payload.duration: expected string"},
		{"debug.sleep", `{"duration": "1s", "steps": 0}`, "payload.steps: expected number >= 1"},
		{"debug.sleep", `{"duration": "1s", "steps": 1001}`, "payload.steps: expected number <= 1000"},
		{"debug.fail", `{"times": -1}`, "payload.times: expected number >= 0"},
		{"debug.fail", `{"kind": "slowly"}`, `payload.kind: expected value to be one of "error, permanent, panic, exit"`},
		{"debug.noop", `{"a": 1}`, "payload.a: unexpected property"},
	} {
		if diff := cmp.Diff([]string{tt.want}, validationErrorsOf(t, tt.name, tt.payload)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.name, tt.payload, diff)
		}
	}
}
