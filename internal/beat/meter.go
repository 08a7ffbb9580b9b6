package beat

import (
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

// Meter is told what becomes of ticks, so that it can be counted. It is told in passing, and must not take its time.
type Meter interface {
	// Ticks is told of ticks once what becomes of them is written down.
	Ticks(outcome schedule.Outcome, n int)
	// Late is told how long after it was due a tick had become a task. Of one that an earlier leader owed it may be told
	// twice.
	Late(d time.Duration)
}

// noMeter counts nothing.
type noMeter struct{}

func (noMeter) Ticks(schedule.Outcome, int) {}
func (noMeter) Late(time.Duration)          {}

// count tells the meter of a step that was taken.
func (l *leader) count(step *schedule.Step) {
	skipped := 0
	for _, run := range step.Runs {
		if run.Outcome == schedule.Skipped {
			skipped++
		}
	}
	l.Meter.Ticks(schedule.Fired, len(step.Owed))
	l.Meter.Ticks(schedule.Missed, int(step.NewMissed))
	l.Meter.Ticks(schedule.Skipped, skipped)
}
