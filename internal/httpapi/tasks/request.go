package tasks

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

// taskRequest is the body of POST /v1/tasks.
type taskRequest struct {
	Type       string            `json:"type" doc:"The task type; GET /v1/task-types lists them." example:"http.request"`
	Payload    json.RawMessage   `json:"payload,omitempty" doc:"The input of the task. It must be valid by the payload_schema of the type."`
	ID         *string           `json:"id,omitempty" minLength:"1" doc:"An id of your own; 409 if it is taken. Default: a new one." example:"order-17"`
	Queue      *string           `json:"queue,omitempty" doc:"Default: that of the type." example:"critical"`
	MaxRetries *int              `json:"max_retries,omitempty" minimum:"0" maximum:"1000" doc:"How often a failed attempt is repeated. Default: that of the type."`
	Timeout    *task.Duration    `json:"timeout,omitempty" doc:"Bounds each attempt. Default: that of the type."`
	Deadline   *time.Time        `json:"deadline,omitempty" doc:"Bounds all attempts together."`
	Delay      *task.Duration    `json:"delay,omitempty" doc:"Start no sooner than after this time. Excludes run_at."`
	RunAt      *time.Time        `json:"run_at,omitempty" doc:"Start no sooner than at this time. Excludes delay."`
	ExpiresAt  *time.Time        `json:"expires_at,omitempty" doc:"A task not started by then never runs."`
	UniqueFor  *task.Duration    `json:"unique_for,omitempty" doc:"Refuse another task of the same type, queue and payload for this time, with 409."`
	Retention  *task.Duration    `json:"retention,omitempty" doc:"How long the finished task stays. Default: that of the type, or of the program."`
	Metadata   map[string]string `json:"metadata,omitempty" doc:"Texts of yours, which are shown with the task."`
	Callback   *task.Callback    `json:"callback,omitempty" doc:"The receiver of a signed POST when the task has finished. Default: none."`
}

func (r *taskRequest) request() task.Request {
	return task.Request{
		Type:       r.Type,
		Payload:    r.Payload,
		ID:         valueOf(r.ID),
		Queue:      valueOf(r.Queue),
		MaxRetries: r.MaxRetries,
		Timeout:    (*time.Duration)(r.Timeout),
		Deadline:   givenTime(r.Deadline),
		Delay:      (*time.Duration)(r.Delay),
		RunAt:      givenTime(r.RunAt),
		ExpiresAt:  givenTime(r.ExpiresAt),
		UniqueFor:  (*time.Duration)(r.UniqueFor),
		Retention:  (*time.Duration)(r.Retention),
		Metadata:   r.Metadata,
		Callback:   r.Callback,
	}
}

// requestReader reads task requests and checks them. It returns the validation errors of a request and of its payload together.
type requestReader struct {
	*rest.BodyReader[taskRequest]
	registry *catalog.Catalog
}

func newRequestReader(registry *catalog.Catalog, schemas huma.Registry) *requestReader {
	return &requestReader{rest.NewBodyReader[taskRequest](schemas, "TaskRequest"), registry}
}

// read returns the task that a JSON document describes. Validation errors are located in the body.
func (r *requestReader) read(data []byte, now time.Time) (*task.Task, error) {
	req, invalid, err := r.Read(data)
	if err != nil {
		return nil, err
	}
	if req == nil {
		return nil, rest.InBody(task.Invalid(append(invalid, r.checkPayload(data)...)...))
	}
	t, err := r.registry.Prepare(req.request(), now)
	if len(invalid) > 0 {
		return nil, rest.InBody(merge(invalid, err))
	}
	return t, rest.InBody(err)
}

// merge adds the validation errors of err for fields that have none yet.
func merge(invalid []task.ValidationError, err error) error {
	if e, ok := errors.AsType[*task.Error](err); ok {
		for _, f := range e.Faults {
			if !slices.ContainsFunc(invalid, func(have task.ValidationError) bool { return have.Location == f.Location }) {
				invalid = append(invalid, f)
			}
		}
	}
	return task.Invalid(invalid...)
}

// checkPayload checks the payload of a request with other validation errors, if its type is known.
func (r *requestReader) checkPayload(data []byte) []task.ValidationError {
	var req struct {
		Type    string          `json:"type"`
		Payload json.RawMessage `json:"payload"`
	}
	if json.Unmarshal(data, &req) != nil {
		return nil // type is not a string, which is among the other errors
	}
	if t, ok := r.registry.Lookup(req.Type); ok && !t.Internal {
		return t.Validate(req.Payload)
	}
	return nil
}

// givenTime returns a time, or the zero time if none is given. A given zero time, in the year 1, is moved by 1 ns, since it
// is in the past and not absent.
func givenTime(t *time.Time) time.Time {
	if t != nil && t.IsZero() {
		return t.Add(1)
	}
	return valueOf(t)
}

func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
