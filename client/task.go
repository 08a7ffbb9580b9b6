package client

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Duration is a time.Duration that is encoded in JSON as a string such as "1h30m", as in the API and in payloads.
type Duration = task.Duration

// Task is a task at the time of the API's response. Zero values mean "not yet", "none" or "never".
type Task struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Queue string `json:"queue"`
	State State  `json:"state"`
	// WaitingFor is "worker" for a pending task that waits for a worker that knows its type, and "" otherwise.
	WaitingFor string `json:"waiting_for"`
	// Payload is the payload, and Result the result, null until the task has succeeded. The function Result decodes it.
	Payload json.RawMessage `json:"payload,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	// Error is why the last attempt failed, while the task is Failed or Retrying.
	Error *Failure `json:"error"`
	// Attempt counts the attempts since the task was enqueued or last retried by Client.Retry, including the current one.
	// TotalAttempts counts all attempts.
	Attempt       int `json:"attempt"`
	TotalAttempts int `json:"total_attempts"`
	MaxRetries    int `json:"max_retries"`
	// Timeout bounds each attempt, and Deadline all of them.
	Timeout  Duration  `json:"timeout,omitzero"`
	Deadline time.Time `json:"deadline,omitzero"`
	// Retention is how long the finished task and its result are kept, and KeptUntil the time at which they are deleted.
	Retention Duration  `json:"retention"`
	KeptUntil time.Time `json:"kept_until,omitzero"`
	// Progress is the progress of the last attempt, if it reported any.
	Progress  *Progress         `json:"progress"`
	Metadata  map[string]string `json:"metadata"`
	CreatedAt time.Time         `json:"created_at,omitzero"`
	// RunAt is the earliest start of the task, or of its next attempt.
	RunAt time.Time `json:"run_at,omitzero"`
	// StartedAt is the start of the last attempt.
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// ExpiresAt is when the task expires if no attempt has started.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// UniqueUntil is the time until which another task of the same type, queue and payload is refused.
	UniqueUntil time.Time `json:"unique_until,omitzero"`
	// Worker is the ID of the worker that runs the task, or ran it last.
	Worker string `json:"worker,omitempty"`
	// Schedule is the schedule and tick that enqueued the task; nil for other tasks.
	Schedule        *Tick    `json:"schedule"`
	Callback        *Webhook `json:"callback,omitempty"`
	CancelRequested bool     `json:"cancel_requested"`
}

// Failure describes a failed attempt.
type Failure struct {
	Message string    `json:"message"`
	Kind    ErrorKind `json:"kind"`
}

// Progress is the progress of an attempt, as its handler reports it.
type Progress struct {
	Percent float64 `json:"percent"` // 0 to 100
	Message string  `json:"message"`
}

// Tick identifies a tick: a schedule, and the time at which it was due.
type Tick struct {
	ScheduleID string    `json:"id"`
	Tick       time.Time `json:"tick"`
}

// Webhook is a URL that is notified when a task has finished.
type Webhook struct {
	URL string `json:"url"`
	// Events are the terminal states to notify of. Default: all.
	Events []State `json:"events,omitempty"`
}

// State is the state of a task.
type State = task.State

// The states. The last four are terminal: only Client.Retry moves a task out of them.
const (
	Scheduled = task.Scheduled // waits for its run_at
	// Aggregating is the state of a task of a stock asynq client that waits in a group, until an asynq server aggregates the
	// group into one task.
	Aggregating = task.Aggregating
	Pending     = task.Pending // waits for a free worker
	Running     = task.Running
	Retrying    = task.Retrying // failed, and waits for its next attempt
	Succeeded   = task.Succeeded
	Failed      = task.Failed
	Canceled    = task.Canceled
	Expired     = task.Expired // did not start in time
)

// ErrorKind is the kind of a failure.
type ErrorKind = task.ErrorKind

// The kinds.
const (
	KindError     = task.KindError     // the handler returned an error
	KindTimeout   = task.KindTimeout   // the attempt's timeout or the task's deadline passed
	KindPanic     = task.KindPanic     // the handler panicked
	KindCrashed   = task.KindCrashed   // the workers that ran the task died three times
	KindPermanent = task.KindPermanent // the handler returned an error that no retry can correct
)

// TaskError is the error for a task that finished without success.
type TaskError struct {
	ID string
	// State is Failed, Canceled or Expired.
	State State
	// Kind and Message are those of the last failed attempt; both are empty if there is none.
	Kind    ErrorKind
	Message string
}

// Error returns the state of the task, and the failure if there is one.
func (e *TaskError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("task %s %s", e.ID, e.State)
	}
	return fmt.Sprintf("task %s %s: %s (%s)", e.ID, e.State, e.Message, e.Kind)
}

// Err returns a *TaskError if the task has finished without success, and nil otherwise.
func (t *Task) Err() error {
	if !t.State.Terminal() || t.State == Succeeded {
		return nil
	}
	e := &TaskError{ID: t.ID, State: t.State}
	if t.Error != nil {
		e.Kind, e.Message = t.Error.Kind, t.Error.Message
	}
	return e
}
