package httpapi

import (
	"encoding/json"
	"time"

	"github.com/backbeat-go/backbeat/internal/task"
)

// taskRequest is the body of POST /v1/tasks.
type taskRequest struct {
	Type       string            `json:"type" doc:"The task type; GET /v1/task-types lists them." example:"http.request"`
	Payload    json.RawMessage   `json:"payload,omitempty" doc:"What the task is given. It must satisfy the payload_schema of the type."`
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
	Metadata   map[string]string `json:"metadata,omitempty" doc:"Notes of yours, which come back with the task."`
}

func (r *taskRequest) request() task.Request {
	return task.Request{
		Type:       r.Type,
		Payload:    r.Payload,
		ID:         valueOf(r.ID),
		Queue:      valueOf(r.Queue),
		MaxRetries: r.MaxRetries,
		Timeout:    (*time.Duration)(r.Timeout),
		Deadline:   valueOf(r.Deadline),
		Delay:      (*time.Duration)(r.Delay),
		RunAt:      valueOf(r.RunAt),
		ExpiresAt:  valueOf(r.ExpiresAt),
		UniqueFor:  (*time.Duration)(r.UniqueFor),
		Retention:  (*time.Duration)(r.Retention),
		Metadata:   r.Metadata,
	}
}

func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
