package schedule

import (
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Run is what became of a tick.
type Run struct {
	Tick    time.Time
	FiredAt time.Time // zero unless a task was made
	// Lateness is how long after its time the tick was found.
	Lateness time.Duration
	TaskID   string // "" unless a task was made
	Outcome  Outcome
	// Reason is why no task was made; "" if one was.
	Reason Reason
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

// Reason says why a tick became no task.
type Reason string

// The reasons.
const (
	ReasonGrace        Reason = "grace"         // missed: it was found later than MisfireGraceTime
	ReasonCoalesced    Reason = "coalesced"     // missed: a newer tick ran in its place
	ReasonCatchUp      Reason = "catch_up"      // missed: more newer ticks were due than run one after another
	ReasonMaxInstances Reason = "max_instances" // skipped: so many tasks were unfinished
	ReasonPaused       Reason = "paused"        // skipped: the schedule was paused
)

// RunsKept is how many of its newest runs a schedule's history holds.
const RunsKept = 200
