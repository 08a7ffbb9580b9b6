package schedule

import (
	"time"

	"github.com/backbeat-go/backbeat/internal/task"
)

// Run is what became of a tick.
type Run struct {
	Tick    time.Time
	FiredAt time.Time // zero unless a task was made
	// Lateness is how long after its time the tick was found.
	Lateness time.Duration
	TaskID   string // "" unless a task was made
	Outcome  Outcome
	// State is how the task ended; "" while it is not known to have.
	State task.State
}

// Outcome says what became of a tick.
type Outcome string

// The outcomes.
const (
	Fired     Outcome = "fired"     // it became a task
	Missed    Outcome = "missed"    // it was found too late, or a newer one ran in its place
	Skipped   Outcome = "skipped"   // too many tasks of the schedule were unfinished
	Triggered Outcome = "triggered" // somebody asked for a run beside the schedule
)

// RunsKept is how many of its newest runs a schedule's history holds.
const RunsKept = 200
