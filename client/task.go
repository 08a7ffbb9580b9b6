package client

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Duration is a time.Duration whose JSON is a string such as "1h30m", as the API and the payloads of tasks have it.
type Duration = task.Duration

// Task is a task as it stood when the API answered. Zero values mean "not yet", "none" or "never".
type Task struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Queue string `json:"queue"`
	State State  `json:"state"`
	// WaitingFor is "worker" for a pending task that waits for a worker that knows its type; else it is empty.
	WaitingFor string `json:"waiting_for"`
	// Payload is what the task was given, and Result what it returned, null until it has succeeded; see Result, the
	// function.
	Payload json.RawMessage `json:"payload,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	// Error is why the last attempt failed, while the task is Failed or Retrying.
	Error *Failure `json:"error"`
	// Attempt counts the runs begun since the task was enqueued or last retried by Client.Retry, the current one included;
	// TotalAttempts counts all.
	Attempt       int `json:"attempt"`
	TotalAttempts int `json:"total_attempts"`
	MaxRetries    int `json:"max_retries"`
	// Timeout bounds each attempt, and Deadline all of them.
	Timeout  Duration  `json:"timeout,omitzero"`
	Deadline time.Time `json:"deadline,omitzero"`
	// Retention is how long the finished task and its result are kept, and KeptUntil when they are dropped.
	Retention Duration  `json:"retention"`
	KeptUntil time.Time `json:"kept_until,omitzero"`
	// Progress is how far the newest attempt has come, if it tells.
	Progress  *Progress         `json:"progress"`
	Metadata  map[string]string `json:"metadata"`
	CreatedAt time.Time         `json:"created_at,omitzero"`
	// RunAt is when it may start, or try again.
	RunAt time.Time `json:"run_at,omitzero"`
	// StartedAt is when the newest attempt began.
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// ExpiresAt is when the task expires if no attempt has begun.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// UniqueUntil is until when another task of the same type, queue and payload is refused.
	UniqueUntil time.Time `json:"unique_until,omitzero"`
	// Worker is the id of the worker that runs it, or ran it last.
	Worker string `json:"worker,omitempty"`
	// Schedule names what made the task, if a schedule did.
	Schedule        *Tick    `json:"schedule"`
	Callback        *Webhook `json:"callback,omitempty"`
	CancelRequested bool     `json:"cancel_requested"`
}

// Failure is why an attempt failed.
type Failure struct {
	Message string    `json:"message"`
	Kind    ErrorKind `json:"kind"`
}

// Progress is how far an attempt has come, as its handler tells it.
type Progress struct {
	Percent float64 `json:"percent"` // 0 to 100
	Message string  `json:"message"`
}

// Tick names a schedule, and the instant of it that a task was made for.
type Tick struct {
	ScheduleID string    `json:"id"`
	Tick       time.Time `json:"tick"`
}

// Webhook is an address that is told of a task's end.
type Webhook struct {
	URL string `json:"url"`
	// Events are the ends to tell of. Default: all.
	Events []State `json:"events,omitempty"`
}

// State is where a task stands in its life.
type State = task.State

// The states. The last four are terminal: nothing moves a task out of them but Client.Retry.
const (
	Scheduled = task.Scheduled // waits for its time
	// Aggregating is a task of a stock asynq client that waits in a group, for an asynq server that makes one task of the group.
	Aggregating = task.Aggregating
	Pending     = task.Pending // waits for a free worker
	Running     = task.Running
	Retrying    = task.Retrying // failed, and waits for its next try
	Succeeded   = task.Succeeded
	Failed      = task.Failed
	Canceled    = task.Canceled
	Expired     = task.Expired // was not started in time
)

// ErrorKind sorts failures by what went wrong.
type ErrorKind = task.ErrorKind

// The kinds.
const (
	KindError     = task.KindError     // the handler returned an error
	KindTimeout   = task.KindTimeout   // the attempt's timeout or the task's deadline passed
	KindPanic     = task.KindPanic     // the handler panicked
	KindCrashed   = task.KindCrashed   // the worker died with the task, again and again
	KindPermanent = task.KindPermanent // the handler said that another try is no use
)

// TaskError is a task that ended without a result.
type TaskError struct {
	ID string
	// State is Failed, Canceled or Expired.
	State State
	// Kind and Message tell of the newest failed attempt; both are empty if there is none.
	Kind    ErrorKind
	Message string
}

// Error tells how the task ended, and why.
func (e *TaskError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("task %s %s", e.ID, e.State)
	}
	return fmt.Sprintf("task %s %s: %s (%s)", e.ID, e.State, e.Message, e.Kind)
}

// Err returns a *TaskError if the task is over and has not succeeded, and nil otherwise.
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
