package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/backbeat-go/backbeat/task"
)

// Enqueuer enqueues tasks and returns their results. *Client does so over HTTP, *backbeat.Client directly in Redis, and
// *backbeattest.Recorder in tests. All of them validate requests in the same way, and refuse them with an *Error.
type Enqueuer interface {
	// Submit enqueues a task and returns its current state. With r.Wait, it first waits until the task has finished or
	// that time has passed.
	Submit(ctx context.Context, r TaskRequest) (*Task, error)
	// EnqueueBatch enqueues many tasks. The results are in the order of the requests. The error is that of a call that
	// failed as a whole.
	EnqueueBatch(ctx context.Context, requests []TaskRequest) ([]BatchResult, error)
	// Task returns a task, or ErrNotFound if it does not exist or is no longer kept.
	Task(ctx context.Context, id string) (*Task, error)
	// Wait waits without a limit until the task has finished, and returns it.
	Wait(ctx context.Context, id string) (*Task, error)
}

// Enqueue enqueues a task of the type with the name typ and returns its current state. The payload is nil or encodes to JSON.
func (c *Client) Enqueue(ctx context.Context, typ string, payload any, opts ...TaskOption) (*Task, error) {
	return c.Submit(ctx, NewRequest(typ, payload, opts...))
}

// Submit enqueues a task and returns its current state. With request.Wait, it first waits until the task has finished or
// that time has passed.
func (c *Client) Submit(ctx context.Context, request TaskRequest) (*Task, error) {
	key := request.IdempotencyKey
	if key == "" && request.ID == "" {
		key = uuid.NewString()
	}
	r, err := request.call(key)
	if err != nil {
		return nil, err
	}
	t, err := do[*Task](ctx, c, r)
	if key == "" && r.unsure && errors.Is(err, ErrConflict) {
		return c.enqueuedBefore(ctx, &request, request.Wait, err)
	}
	return t, err
}

// Enqueue enqueues a task of a type that is defined in Go and returns its current state. Result decodes the result of the
// finished task.
func Enqueue[In, Out any](
	ctx context.Context, q Enqueuer, def task.Definition[In, Out], in In, opts ...TaskOption,
) (*Task, error) {
	return q.Submit(ctx, Request(def, in, opts...))
}

// Request returns a request, for EnqueueBatch, for a task of a type that is defined in Go.
func Request[In, Out any](def task.Definition[In, Out], in In, opts ...TaskOption) TaskRequest {
	r := NewRequest(def.Name, in, opts...)
	r.Definition = def.Type
	return r
}

// Run enqueues a task of a type that is defined in Go, waits until it has finished, and returns its result. If the task did
// not succeed, the error is a *TaskError. If ctx ends first, the task continues, and the error contains its ID.
func Run[In, Out any](
	ctx context.Context, q Enqueuer, def task.Definition[In, Out], in In, opts ...TaskOption,
) (out Out, err error) {
	t, err := Enqueue(ctx, q, def, in, append(opts[:len(opts):len(opts)], Wait(maxWait))...)
	if err != nil {
		return out, err
	}
	if !t.State.Terminal() {
		id := t.ID
		if t, err = q.Wait(ctx, id); err != nil {
			return out, fmt.Errorf("wait for task %s: %w", id, err)
		}
	}
	return Result(def, t)
}

// Result returns the result of a finished task. If the task did not succeed, the error is a *TaskError.
func Result[In, Out any](def task.Definition[In, Out], t *Task) (out Out, err error) {
	switch {
	case t.Type != def.Name && !slices.Contains(def.Aliases, t.Type):
		return out, fmt.Errorf("task %s has the type %s, not %s", t.ID, t.Type, def.Name)
	case !t.State.Terminal():
		return out, fmt.Errorf("task %s has not finished: it is %s", t.ID, t.State)
	case t.State != Succeeded:
		return out, t.Err()
	case len(t.Result) == 0:
		return out, nil
	}
	if err := json.Unmarshal(t.Result, &out); err != nil {
		return out, fmt.Errorf("decode the result of task %s: %w", t.ID, err)
	}
	return out, nil
}
