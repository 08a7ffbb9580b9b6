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

// Enqueuer enqueues tasks, and tells how they have ended. A *Client is one over HTTP, a *backbeat.Client one straight to
// Redis, and a *backbeattest.Recorder one for tests. All of them check requests alike, and refuse them with an *Error.
type Enqueuer interface {
	// Submit enqueues a task and returns it as it stands; with Wait, as it is when it is over or that time is.
	Submit(ctx context.Context, r TaskRequest) (*Task, error)
	// EnqueueBatch enqueues many tasks. The results are those of the requests, in order. The error tells of a call that
	// failed as a whole.
	EnqueueBatch(ctx context.Context, requests []TaskRequest) ([]BatchResult, error)
	// Task returns a task. One that is not there, or not any more: ErrNotFound.
	Task(ctx context.Context, id string) (*Task, error)
	// Wait waits until the task is over, however long that takes, and returns it.
	Wait(ctx context.Context, id string) (*Task, error)
}

// Enqueue enqueues a task of a type by its name, with a payload that encodes to JSON, or nil. It returns the task as it stands.
func (c *Client) Enqueue(ctx context.Context, typ string, payload any, opts ...TaskOption) (*Task, error) {
	return c.Submit(ctx, NewRequest(typ, payload, opts...))
}

// Submit enqueues the task that is asked for, and returns it as it stands.
func (c *Client) Submit(ctx context.Context, asked TaskRequest) (*Task, error) {
	key := asked.IdempotencyKey
	if key == "" && asked.ID == "" {
		key = uuid.NewString()
	}
	r, err := asked.call(key)
	if err != nil {
		return nil, err
	}
	t, err := do[*Task](ctx, c, r)
	if key == "" && r.unsure && errors.Is(err, ErrConflict) {
		return c.taken(ctx, &asked, asked.Wait, err)
	}
	return t, err
}

// Enqueue enqueues a task of a type that is defined in Go. It returns the task as it stands; Result reads its result once it
// is over.
func Enqueue[In, Out any](
	ctx context.Context, q Enqueuer, def task.Definition[In, Out], in In, opts ...TaskOption,
) (*Task, error) {
	return q.Submit(ctx, Request(def, in, opts...))
}

// Request asks for a task of a type that is defined in Go, for EnqueueBatch.
func Request[In, Out any](def task.Definition[In, Out], in In, opts ...TaskOption) TaskRequest {
	r := NewRequest(def.Name, in, opts...)
	r.Definition = def.Type
	return r
}

// Run enqueues a task of a type that is defined in Go, waits until it is over, and returns its result. If the task
// ended without one, the error is a *TaskError. If ctx ends first, the task goes on, and the error names it.
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

// Result returns the result of a task that is over. If it ended without one, the error is a *TaskError.
func Result[In, Out any](def task.Definition[In, Out], t *Task) (out Out, err error) {
	switch {
	case t.Type != def.Name && !slices.Contains(def.Aliases, t.Type):
		return out, fmt.Errorf("task %s is a %s, not a %s", t.ID, t.Type, def.Name)
	case !t.State.Terminal():
		return out, fmt.Errorf("task %s is not over: it is %s", t.ID, t.State)
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
