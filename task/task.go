package task

import (
	"encoding/json"
	"time"
)

// Task is one unit of work: what was asked for, and how far it has come. Zero times mean "not yet" or
// "never".
type Task struct {
	ID    string
	Type  string
	Queue string
	State State
	// WaitingFor says what a pending task waits for besides its turn: WaitingForWorker, or "" for nothing.
	WaitingFor string
	Payload    json.RawMessage
	// Result is what the handler returned, as JSON; nil until the task has succeeded, and for types
	// without a result.
	Result json.RawMessage
	// Error tells of the last attempt while the task is Failed or Retrying; otherwise nil.
	Error *Failure

	// Attempt counts the runs begun since the task was enqueued or last retried by hand, the current one included;
	// TotalAttempts counts all.
	Attempt       int
	TotalAttempts int
	MaxRetries    int
	// Timeout bounds each attempt. It is never 0 in a prepared task.
	Timeout time.Duration
	// Deadline bounds all attempts together.
	Deadline time.Time
	// Retention is how long the finished task and its result are kept; 0 drops them at once.
	Retention time.Duration
	// UniqueFor is for how long another task of the same type, queue and payload is refused.
	UniqueFor time.Duration

	Progress *Report
	Metadata map[string]string
	Schedule *Tick
	// Callback is whom to tell how the task ends; nil: nobody.
	Callback *Callback

	CreatedAt  time.Time
	RunAt      time.Time
	StartedAt  time.Time
	FinishedAt time.Time
	// KeptUntil is when the finished task and its result are dropped.
	KeptUntil time.Time
	ExpiresAt time.Time

	// Worker is the id of the worker that runs the task, or ran it last.
	Worker          string
	CancelRequested bool
}

// UniqueUntil is when another task of the same type, queue and payload is accepted again; zero if the task does not ask to
// be the only one.
func (t *Task) UniqueUntil() time.Time {
	if t.UniqueFor == 0 {
		return time.Time{}
	}
	return t.CreatedAt.Add(t.UniqueFor)
}

// Failure is why an attempt failed.
type Failure struct {
	Message string
	Kind    ErrorKind
}

// Report is how far a running task has come, as its handler tells it.
type Report struct {
	Percent float64 // 0 to 100
	Message string
}

// Tick names the schedule, and the instant of it, that a task was made for.
type Tick struct {
	ScheduleID string
	At         time.Time
}

// WaitingForWorker says that a task waits for a worker that knows its type.
const WaitingForWorker = "worker"
