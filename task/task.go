package task

import (
	"encoding/json"
	"time"
)

// Task is one unit of work: the request, and its state. Zero times mean "not yet" or "never".
type Task struct {
	ID    string
	Type  string
	Queue string
	State State
	// WaitingFor is WaitingForWorker for a pending task that waits for a worker that knows its type, and "" otherwise.
	WaitingFor string
	Payload    json.RawMessage
	// Result is the JSON that the handler returned; nil until the task has succeeded, and for types without a result.
	Result json.RawMessage
	// Error is the failure of the last attempt while the task is Failed or Retrying, and nil otherwise.
	Error *Failure

	// Attempt counts the attempts since the task was enqueued or last retried by a caller, including the current one.
	// TotalAttempts counts all attempts.
	Attempt       int
	TotalAttempts int
	MaxRetries    int
	// Timeout bounds each attempt. It is not 0 in a prepared task.
	Timeout time.Duration
	// Deadline bounds all attempts together.
	Deadline time.Time
	// Retention is how long the finished task and its result are kept; 0 deletes them at once.
	Retention time.Duration
	// UniqueFor is how long another task of the same type, queue and payload is refused.
	UniqueFor time.Duration

	Progress *Report
	Metadata map[string]string
	Schedule *Tick
	// Callback is notified when the task has finished; nil for none.
	Callback *Callback

	CreatedAt  time.Time
	RunAt      time.Time
	StartedAt  time.Time
	FinishedAt time.Time
	// KeptUntil is when the finished task and its result are deleted.
	KeptUntil time.Time
	ExpiresAt time.Time

	// Worker is the ID of the worker that runs the task, or ran it last.
	Worker          string
	CancelRequested bool
}

// UniqueUntil returns the time until which another task of the same type, queue and payload is refused; zero without
// UniqueFor.
func (t *Task) UniqueUntil() time.Time {
	if t.UniqueFor == 0 {
		return time.Time{}
	}
	return t.CreatedAt.Add(t.UniqueFor)
}

// Failure describes a failed attempt.
type Failure struct {
	Message string
	Kind    ErrorKind
}

// Report is the progress of an attempt, as its handler reports it.
type Report struct {
	Percent float64 // 0 to 100
	Message string
}

// Tick identifies a tick: a schedule, and the time at which it was due.
type Tick struct {
	ScheduleID string
	At         time.Time
}

// WaitingForWorker is the Task.WaitingFor of a task that waits for a worker that knows its type.
const WaitingForWorker = "worker"
