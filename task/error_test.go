package task_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/backbeat-go/backbeat/task"
)

func TestErrorText(t *testing.T) {
	cause := errors.New("connection refused")
	tests := []struct {
		err  *task.Error
		code task.Code
		text string
	}{
		{task.NotFound("no task %q", "a"), task.CodeNotFound, `no task "a"`},
		{task.Conflict("task %q is running", "a"), task.CodeConflict, `task "a" is running`},
		{
			task.Invalid(task.ValidationError{Location: "queue", Message: "is unknown"}, task.ValidationError{Location: "payload.url", Message: "is required"}),
			task.CodeInvalid, "the request is not valid; queue: is unknown; payload.url: is required",
		},
		{task.Unavailable(cause), task.CodeUnavailable, "the task store is not available: connection refused"},
	}
	for _, tt := range tests {
		if got := task.CodeOf(fmt.Errorf("wrapped: %w", tt.err)); got != tt.code {
			t.Errorf("CodeOf(%v) = %q", tt.err, got)
		}
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("got %q, want %q", got, tt.text)
		}
	}
	if err := error(task.Unavailable(cause)); !errors.Is(err, cause) {
		t.Error("Unavailable hides its cause")
	}
	if code := task.CodeOf(cause); code != "" {
		t.Errorf("CodeOf another error = %q", code)
	}
}
