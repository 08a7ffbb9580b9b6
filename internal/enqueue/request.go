package enqueue

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// Request is a request with its payload encoded.
type Request struct {
	*client.TaskRequest
	payload []byte
}

// Encode encodes the payload of a request.
func Encode(r *client.TaskRequest) (*Request, error) {
	if r.Payload == nil {
		return &Request{TaskRequest: r}, nil
	}
	payload, err := json.Marshal(r.Payload)
	if err != nil {
		return nil, fmt.Errorf("encode the payload of %s: %w", r.Type, err)
	}
	return &Request{r, payload}, nil
}

// Idempotency returns the request as one that is to make one task, however often it is sent.
func (r *Request) Idempotency() (catalog.Idempotency, error) {
	request, err := json.Marshal(r.TaskRequest)
	if err != nil {
		return catalog.Idempotency{}, fmt.Errorf("encode the request: %w", err)
	}
	return catalog.Idempotency{Key: r.IdempotencyKey, Request: request}, nil
}

// Prepare checks the request against its type, and returns the task that it asks for. Errors are those of Catalog.Prepare.
func (r *Request) Prepare(types *catalog.Catalog, now time.Time) (*task.Task, error) {
	asked := task.Request{
		Type: r.Type, Payload: r.payload, ID: r.ID, Queue: r.Queue, MaxRetries: r.MaxRetries, Deadline: r.Deadline,
		RunAt: r.RunAt, ExpiresAt: r.ExpiresAt, Metadata: r.Metadata,
		Timeout: optional(r.Timeout), Delay: optional(r.Delay), UniqueFor: optional(r.UniqueFor),
	}
	if r.Retention != nil {
		asked.Retention = (*time.Duration)(r.Retention)
	}
	if r.Callback != nil {
		asked.Callback = &task.Callback{URL: r.Callback.URL, Events: r.Callback.Events}
	}
	if r.Definition != nil {
		return types.PrepareAs(r.Definition, asked, now)
	}
	return types.Prepare(asked, now)
}

func optional(d client.Duration) *time.Duration {
	if d == 0 {
		return nil
	}
	return (*time.Duration)(&d)
}
