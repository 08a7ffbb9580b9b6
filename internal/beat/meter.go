package beat

import (
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

// Meter counts the outcomes of ticks. Its methods are called inline and must not block.
type Meter interface {
	// Ticks counts n ticks whose outcome has been committed.
	Ticks(outcome schedule.Outcome, n int)
	// Late observes how long after it was due a tick was enqueued. A tick in the outbox of an earlier leader may be
	// observed twice.
	Late(d time.Duration)
}

// noMeter counts nothing.
type noMeter struct{}

func (noMeter) Ticks(schedule.Outcome, int) {}
func (noMeter) Late(time.Duration)          {}

// count counts the ticks of a committed step.
func (l *leader) count(step *schedule.Step) {
	skipped := 0
	for _, run := range step.Runs {
		if run.Outcome == schedule.Skipped {
			skipped++
		}
	}
	l.Meter.Ticks(schedule.Fired, len(step.Entries))
	l.Meter.Ticks(schedule.Missed, int(step.NewMissed))
	l.Meter.Ticks(schedule.Skipped, skipped)
}
