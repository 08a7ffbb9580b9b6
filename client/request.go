package client

import (
	"net/http"
	"strconv"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// TaskRequest asks for a task. Only Type is required; the zero value of every other field leaves it to the task type or the
// API.
type TaskRequest struct {
	Type string `json:"type"`
	// Payload is what the task is given: anything that encodes to JSON.
	Payload any `json:"payload,omitempty"`
	// ID names the task. Default: an id that the API makes up.
	ID         string    `json:"id,omitempty"`
	Queue      string    `json:"queue,omitempty"`
	MaxRetries *int      `json:"max_retries,omitempty"`
	Timeout    Duration  `json:"timeout,omitempty"`    // bounds each attempt
	Deadline   time.Time `json:"deadline,omitzero"`    // bounds all attempts together
	Delay      Duration  `json:"delay,omitempty"`      // start no sooner than after this time; excludes RunAt
	RunAt      time.Time `json:"run_at,omitzero"`      // start no sooner than then
	ExpiresAt  time.Time `json:"expires_at,omitzero"`  // a task not started by then never runs
	UniqueFor  Duration  `json:"unique_for,omitempty"` // refuse another of the same type, queue and payload for so long
	Retention  *Duration `json:"retention,omitempty"`  // how long the finished task stays
	// Metadata are notes that come back with the task.
	Metadata map[string]string `json:"metadata,omitempty"`
	// Callback is told of the task's end.
	Callback *Webhook `json:"callback,omitempty"`

	// IdempotencyKey and Wait are options of Enqueue, and EnqueueBatch passes over them; see the options of these names.
	IdempotencyKey string        `json:"-"`
	Wait           time.Duration `json:"-"`
	// Definition is the type as the caller knows it; the generic functions set it. An Enqueuer that is no API checks the payload
	// against it, and takes its defaults.
	Definition *task.Type `json:"-"`
}

// TaskOption changes a request, such as Delay and Queue.
type TaskOption func(*TaskRequest)

// NewRequest asks for a task of a type by its name. The payload is anything that encodes to JSON, or nil.
func NewRequest(typ string, payload any, opts ...TaskOption) TaskRequest {
	r := TaskRequest{Type: typ, Payload: payload}
	for _, opt := range opts {
		opt(&r)
	}
	return r
}

// call returns the request as a call of the API. It is safe to repeat because of its key or, without one, because of the task's
// id.
func (asked *TaskRequest) call(key string) (*call, error) {
	r, err := send(http.MethodPost, tasksPath, asked)
	if err != nil {
		return nil, err
	}
	r.safe = true
	if key != "" {
		r.header.Set("Idempotency-Key", key)
	}
	if seconds := int(asked.Wait.Seconds()); seconds > 0 {
		r.header.Set("Prefer", "wait="+strconv.Itoa(seconds))
		r.waits = asked.Wait
	}
	return r, nil
}

// ID names the task: 1 to 255 letters, digits and . _ : @ + -. Another task of that id: ErrConflict. If an answer is lost,
// a task of that id with the same type, payload, queue, retries and metadata counts as the one that was asked for.
func ID(id string) TaskOption { return func(r *TaskRequest) { r.ID = id } }

// Queue is where the task goes. Default: that of the type.
func Queue(name string) TaskOption { return func(r *TaskRequest) { r.Queue = name } }

// MaxRetries is how often a failed attempt is repeated. Default: that of the type.
func MaxRetries(n int) TaskOption { return func(r *TaskRequest) { r.MaxRetries = &n } }

// Timeout bounds each attempt. Default: that of the type.
func Timeout(d time.Duration) TaskOption { return func(r *TaskRequest) { r.Timeout = Duration(d) } }

// Deadline bounds all attempts together. Default: none.
func Deadline(t time.Time) TaskOption { return func(r *TaskRequest) { r.Deadline = t } }

// Delay lets the task start no sooner than after d. It excludes RunAt.
func Delay(d time.Duration) TaskOption { return func(r *TaskRequest) { r.Delay = Duration(d) } }

// RunAt lets the task start no sooner than at t. It excludes Delay.
func RunAt(t time.Time) TaskOption { return func(r *TaskRequest) { r.RunAt = t } }

// ExpiresAt lets the task never run if it was not started by t.
func ExpiresAt(t time.Time) TaskOption { return func(r *TaskRequest) { r.ExpiresAt = t } }

// UniqueFor refuses another task of the same type, queue and payload for d, with ErrConflict.
func UniqueFor(d time.Duration) TaskOption { return func(r *TaskRequest) { r.UniqueFor = Duration(d) } }

// Retention is how long the finished task and its result stay. Default: that of the type, or of the API.
func Retention(d time.Duration) TaskOption {
	return func(r *TaskRequest) { r.Retention = (*Duration)(&d) }
}

// Metadata are notes that come back with the task.
func Metadata(notes map[string]string) TaskOption { return func(r *TaskRequest) { r.Metadata = notes } }

// Callback tells a URL of the task's end, or only of the ends that are named.
func Callback(url string, events ...State) TaskOption {
	return func(r *TaskRequest) { r.Callback = &Webhook{URL: url, Events: events} }
}

// IdempotencyKey makes the same request under the same key, from this program or a later one, answer with the first task and
// enqueue nothing; a different request under it: ErrInvalid. Default: a new key for each call, or none if ID names the task.
func IdempotencyKey(key string) TaskOption { return func(r *TaskRequest) { r.IdempotencyKey = key } }

// Wait lets the call answer with the finished task if it is over within d, and otherwise with the task as it then stands.
// It counts in whole seconds, and 60 of them at most.
func Wait(d time.Duration) TaskOption { return func(r *TaskRequest) { r.Wait = min(d, maxWait) } }
