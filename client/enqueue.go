package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/backbeat-go/backbeat/task"
)

// Enqueue hands a task in: its type by name, and a payload that encodes to JSON, or nil. It returns the task as it stands.
func (c *Client) Enqueue(ctx context.Context, typ string, payload any, opts ...TaskOption) (*Task, error) {
	e := newEnqueueing(typ, payload, opts)
	r, err := e.call()
	if err != nil {
		return nil, err
	}
	t, err := do[*Task](ctx, c, r)
	if e.key == "" && r.unsure && errors.Is(err, ErrConflict) {
		return c.taken(ctx, &e.TaskRequest, e.wait, err)
	}
	return t, err
}

// Enqueue hands in a task of a type that package tasks defines. It returns the task as it stands; Result reads its result
// once it is over.
func Enqueue[In, Out any](
	ctx context.Context, c *Client, def task.Definition[In, Out], in In, opts ...TaskOption,
) (*Task, error) {
	return c.Enqueue(ctx, def.Name, in, opts...)
}

// Request asks for a task of a type that package tasks defines, for Client.EnqueueBatch.
func Request[In, Out any](def task.Definition[In, Out], in In) TaskRequest {
	return TaskRequest{Type: def.Name, Payload: in}
}

// Run hands in a task of a type that package tasks defines, waits until it is over, and returns its result. If the task
// ended without one, the error is a *TaskError. If ctx ends first, the task goes on, and the error names it.
func Run[In, Out any](
	ctx context.Context, c *Client, def task.Definition[In, Out], in In, opts ...TaskOption,
) (out Out, err error) {
	t, err := Enqueue(ctx, c, def, in, append(opts[:len(opts):len(opts)], Wait(maxWait))...)
	if err != nil {
		return out, err
	}
	if !t.State.Terminal() {
		id := t.ID
		if t, err = c.Wait(ctx, id); err != nil {
			return out, fmt.Errorf("wait for task %s: %w", id, err)
		}
	}
	return Result(def, t)
}

// Result returns the result of a task that is over. If it ended without one, the error is a *TaskError.
func Result[In, Out any](def task.Definition[In, Out], t *Task) (out Out, err error) {
	switch {
	case t.Type != def.Name:
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
