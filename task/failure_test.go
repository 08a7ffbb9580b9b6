package task_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

func TestFailureKinds(t *testing.T) {
	overdue, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("broken")
	tests := []struct {
		name string
		ctx  context.Context
		err  error
		want task.ErrorKind
	}{
		{"plain", t.Context(), broken, task.KindError},
		{"permanent", t.Context(), task.Permanent(broken), task.KindPermanent},
		{"permanent, wrapped", t.Context(), fmt.Errorf("call: %w", task.Permanent(broken)), task.KindPermanent},
		{"permanent after a delay", t.Context(), task.RetryAfter(time.Second, task.Permanent(broken)), task.KindPermanent},
		{"panic", t.Context(), &task.PanicError{Value: "broken"}, task.KindPanic},
		{"panic with a permanent error", t.Context(), &task.PanicError{Value: task.Permanent(broken)}, task.KindPanic},
		{"the attempt's deadline", overdue, fmt.Errorf("call: %w", context.DeadlineExceeded), task.KindTimeout},
		{"a deadline inside the handler", t.Context(), context.DeadlineExceeded, task.KindError},
		{"another error at the deadline", overdue, broken, task.KindError},
		{"permanent at the deadline", overdue, task.Permanent(context.DeadlineExceeded), task.KindPermanent},
		{"canceled", canceled, context.Canceled, task.KindError},
		{"a retry delay", t.Context(), task.RetryAfter(time.Second, broken), task.KindError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := task.FailureOf(tt.ctx, tt.err)
			if got.Kind != tt.want || got.Message != tt.err.Error() {
				t.Errorf("got %+v, want kind %s and message %q", got, tt.want, tt.err)
			}
		})
	}
}

func TestPanicErrorGivesTheValue(t *testing.T) {
	for _, value := range []any{"broken", errors.New("broken")} {
		if got := (&task.PanicError{Value: value}).Error(); got != "panic: broken" {
			t.Errorf("a panic with %T reads %q", value, got)
		}
	}
	if got := (&task.PanicError{Value: 17}).Error(); got != "panic: 17" {
		t.Errorf("a panic with a number reads %q", got)
	}
}

func TestRetryAfter(t *testing.T) {
	broken := errors.New("broken")
	for given, want := range map[time.Duration]time.Duration{time.Minute: time.Minute, 0: 0, -time.Minute: 0} {
		err := fmt.Errorf("call: %w", task.RetryAfter(given, broken))
		if got, ok := task.DelayOf(err); !ok || got != want {
			t.Errorf("RetryAfter(%s): DelayOf = %s, %t", given, got, ok)
		}
		if !errors.Is(err, broken) {
			t.Errorf("RetryAfter(%s) hides the error", given)
		}
	}
	if d, ok := task.DelayOf(broken); ok {
		t.Errorf("DelayOf an error without one = %s", d)
	}
}

func TestNilErrors(t *testing.T) {
	if err := task.Permanent(nil); err != nil {
		t.Errorf("Permanent(nil) = %v", err)
	}
	if err := task.RetryAfter(time.Second, nil); err != nil {
		t.Errorf("RetryAfter(nil) = %v", err)
	}
	if err := task.Permanent(context.Canceled); !errors.Is(err, context.Canceled) {
		t.Error("Permanent hides the error")
	}
}
