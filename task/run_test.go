package task_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/task"
)

func TestInfoAndProgress(t *testing.T) {
	info := task.RunInfo{ID: "a", Type: "test.run", Attempt: 2, Schedule: &task.Tick{ScheduleID: "s"}}
	var reports []task.Report
	ctx := task.NewContext(t.Context(), info, func(r task.Report) { reports = append(reports, r) })

	if diff := cmp.Diff(info, task.Info(ctx)); diff != "" {
		t.Errorf("Info (-want +got):\n%s", diff)
	}
	task.Progress(ctx, 50, "half")
	task.Progress(ctx, -3, "low")
	task.Progress(ctx, 300, "high")
	task.Progress(ctx, math.Inf(1), "far")
	want := []task.Report{{Percent: 50, Message: "half"}, {Percent: 0, Message: "low"}, {Percent: 100, Message: "high"}, {Percent: 100, Message: "far"}}
	if diff := cmp.Diff(want, reports); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
}

func TestInfoAndProgressOutsideOfAHandler(t *testing.T) {
	task.Progress(t.Context(), 50, "nobody listens") // must not panic
	if diff := cmp.Diff(task.RunInfo{}, task.Info(t.Context())); diff != "" {
		t.Errorf("Info (-want +got):\n%s", diff)
	}
}
