package task_test

import (
	"slices"
	"testing"

	"github.com/backbeat-go/backbeat/task"
)

func TestTerminalStates(t *testing.T) {
	terminal := map[task.State]bool{
		"scheduled": false, "aggregating": false, "pending": false, "running": false, "retrying": false,
		"succeeded": true, "failed": true, "canceled": true, "expired": true,
	}
	for state, want := range terminal {
		if state.Terminal() != want {
			t.Errorf("%s.Terminal() = %t", state, !want)
		}
		if !slices.Contains(task.States, state) {
			t.Errorf("States lacks %s", state)
		}
	}
	if len(task.States) != len(terminal) {
		t.Errorf("States = %q", task.States)
	}
	if task.State("no-such-state").Terminal() {
		t.Error("an unknown state is terminal")
	}
}
