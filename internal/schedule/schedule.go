package schedule

import (
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Schedule is a trigger, the task that it makes at each tick, and how far it has come.
type Schedule struct {
	ID string
	Spec
	State
	Origin    Origin
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Origin is where a schedule was written down, and so where it can be changed.
type Origin string

// The origins.
const (
	OriginAPI    Origin = "api"
	OriginConfig Origin = "config" // the API can pause it, but not change it
)

// State is how far a schedule has come. A store keeps it as a whole and changes it only from the State that the
// change was made from, so that nobody's change undoes another's.
type State struct {
	// Revision grows with each change that somebody made, and not with ticks.
	Revision     int64        `json:"rev"`
	Paused       bool         `json:"paused,omitempty"`
	PausedReason PausedReason `json:"reason,omitempty"`
	// FilePaused is what the configuration file said of Paused when it was last taken over.
	FilePaused bool `json:"file_paused,omitempty"`
	// Anchor is tick 0 of an Every trigger.
	Anchor time.Time `json:"anchor,omitzero"`
	// Next is the next tick, zero if there is none or the schedule is paused. It runs at Due, which Jitter puts off.
	Next time.Time `json:"next,omitzero"`
	Due  time.Time `json:"due,omitzero"`

	// LastRunAt is when the newest task was made, LastTaskID its id, and LastState the state in which it ended, "" while
	// it is not known to have.
	LastRunAt  time.Time  `json:"last_at,omitzero"`
	LastTaskID string     `json:"last_task,omitempty"`
	LastState  task.State `json:"last_state,omitempty"`

	Runs    int64 `json:"runs,omitempty"`
	Missed  int64 `json:"missed,omitempty"`
	Skipped int64 `json:"skipped,omitempty"`
	// FailureStreak counts the failed tasks since the last that succeeded.
	FailureStreak int `json:"streak,omitempty"`
	// Unfinished holds the ids of tasks that are not known to have ended, the newest MaxInstancesLimit of them.
	Unfinished []string `json:"open,omitempty"`
}

// PausedReason says who or what paused a schedule.
type PausedReason string

// The reasons.
const (
	PausedByUser     PausedReason = "user"
	PausedByFailures PausedReason = "failures" // as many in a row as PauseAfterFailures says
	PausedInvalid    PausedReason = "invalid"  // what is stored can no longer be read, or its task type or queue is gone
)

// TickID is the id of the task of a tick. It is the same whoever makes the task, so that it is made once.
func TickID(scheduleID string, tick time.Time) string {
	const seconds, millis = "20060102T150405Z", "20060102T150405.000Z"
	layout := seconds
	if tick.Nanosecond() != 0 {
		layout = millis
	}
	id := append(make([]byte, 0, 128), scheduleID...)
	return string(tick.UTC().AppendFormat(append(id, '@'), layout))
}
