package queue

import (
	"context"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

// Cancel cancels a task: at once if it is not running; otherwise its context ends, and it ends as canceled
// even if its worker dies first. A canceled task stays as it is. Errors: CodeNotFound; CodeConflict if it is over and was not
// canceled; CodeUnavailable.
func (c *Client) Cancel(ctx context.Context, id string) (*task.Task, error) {
	return c.control(ctx, id, "canceled", func(r *wire.Record) (string, error) {
		reply, err := script.CancelScript.Run(ctx, c.rdb, r.Queue, []string{wire.TaskKey(r.Queue, id)},
			id, r.Message.RetentionMillis(task.Canceled)).Text()
		if err == nil && reply == "requested" {
			// If this does not arrive, the worker finds the flag when it polls.
			c.rdb.Publish(ctx, wire.AsynqCancelChannel, id)
			return done, nil
		}
		switch reply {
		case "already":
			return done, err
		case done:
			c.meter.Ended(r.Message.Type, r.Queue, task.Canceled)
		}
		return reply, err
	})
}

// Retry puts a failed, canceled or expired task back into its queue, with all its retries to spend again.
// What limited when it may start is lifted. Errors: CodeNotFound; CodeConflict in any other state;
// CodeUnavailable.
func (c *Client) Retry(ctx context.Context, id string) (*task.Task, error) {
	return c.control(ctx, id, "retried", func(r *wire.Record) (string, error) {
		return script.RetryScript.Run(ctx, c.rdb, r.Queue, []string{wire.TaskKey(r.Queue, id)},
			id, r.Raw, r.Renewed(), r.Attempts()).Text()
	})
}

// Run lets a scheduled, retrying or aggregating task start now. Errors: CodeNotFound; CodeConflict in any other state;
// CodeUnavailable.
func (c *Client) Run(ctx context.Context, id string) (*task.Task, error) {
	return c.control(ctx, id, "run", func(r *wire.Record) (string, error) {
		return script.RunScript.Run(ctx, c.rdb, r.Queue, []string{wire.TaskKey(r.Queue, id)}, id).Text()
	})
}

// Delete removes a task that does not run, and all that is known of it. Errors: CodeNotFound; CodeConflict
// while it runs; CodeUnavailable.
func (c *Client) Delete(ctx context.Context, id string) error {
	_, err := c.control(ctx, id, "deleted", func(r *wire.Record) (string, error) {
		return script.DeleteScript.Run(ctx, c.rdb, r.Queue, []string{wire.TaskKey(r.Queue, id)}, id).Text()
	})
	return err
}

// done is what the scripts below answer when they did what they are for. Otherwise they answer with the state,
// in asynq's words, that did not allow it.
const done = "ok"

// steer finds a task, runs a script on it and tells how the task stands then.
func (c *Client) control(
	ctx context.Context, id, verb string, act func(r *wire.Record) (string, error),
) (*task.Task, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for {
		r, err := c.find(ctx, id)
		if err != nil {
			return nil, err
		}
		reply, err := act(r)
		switch {
		case err != nil:
			return nil, redisconn.Coded(err)
		case reply == "changed":
			continue
		case reply == "":
			return nil, task.NotFound("there is no task %q", id)
		case reply != done:
			r.State = reply
			return nil, task.Conflict("task %q is %s and cannot be %s", id, r.TaskState(), verb)
		}
		return c.after(ctx, r)
	}
}

// after reads a task again. One that is gone, because it was deleted or is not retained, is told as it was.
func (c *Client) after(ctx context.Context, r *wire.Record) (*task.Task, error) {
	records, err := c.read(ctx, []wire.Ref{{Queue: r.Queue, ID: r.ID}})
	if err != nil {
		return nil, err
	}
	if records[0] != nil {
		return records[0].Task(), nil
	}
	t := r.Task()
	t.State, t.CancelRequested, t.FinishedAt = task.Canceled, true, c.Now()
	t.KeptUntil = t.FinishedAt // nothing keeps it
	return t, nil
}
