package tasks

import (
	"context"
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// DebugSleep sleeps and reports its progress.
var DebugSleep = define("debug.sleep", (*deps).debugSleep,
	task.Describe("Sleeps, and reports its progress step by step."), task.Debug())

// DebugSleepIn sets the duration and the number of steps.
type DebugSleepIn struct {
	Duration task.Duration `json:"duration" doc:"How long to sleep." example:"10s"`
	Steps    int           `json:"steps,omitempty" minimum:"1" maximum:"1000" default:"10" doc:"The number of steps, each with a progress report."`
}

// DebugSleepOut is the duration of the sleep.
type DebugSleepOut struct {
	Slept task.Duration `json:"slept"`
}

func (*deps) debugSleep(ctx context.Context, in DebugSleepIn) (DebugSleepOut, error) {
	start := time.Now()
	step := time.Duration(in.Duration) / time.Duration(in.Steps)
	for i := range in.Steps {
		// The end of each step is relative to the start, so that small delays do not add up.
		timer := time.NewTimer(time.Until(start.Add(step * time.Duration(i+1))))
		select {
		case <-ctx.Done():
			timer.Stop()
			return DebugSleepOut{}, ctx.Err()
		case <-timer.C:
		}
		task.Progress(ctx, float64(i+1)*100/float64(in.Steps), fmt.Sprintf("step %d of %d", i+1, in.Steps))
	}
	return DebugSleepOut{in.Duration}, nil
}
