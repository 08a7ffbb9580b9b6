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
	return c.control(ctx, id, "canceled", func(r *wire.Record) (script.Reply, error) {
		reply, err := script.Cancel(ctx, c.rdb, r.Queue, id, r.Message.RetentionMillis(task.Canceled))
		if err != nil {
			return "", err
		}
		switch reply {
		case script.Requested:
			// If this does not arrive, the worker finds the flag when it polls.
			c.rdb.Publish(ctx, wire.AsynqCancelChannel, id)
			return script.Done, nil
		case script.Already:
			return script.Done, nil
		case script.Done:
			c.meter.Ended(r.Message.Type, r.Queue, task.Canceled)
		}
		return reply, nil
	})
}

// Retry puts a failed, canceled or expired task back into its queue, with all its retries to spend again.
// What limited when it may start is lifted. Errors: CodeNotFound; CodeConflict in any other state;
// CodeUnavailable.
func (c *Client) Retry(ctx context.Context, id string) (*task.Task, error) {
	return c.control(ctx, id, "retried", func(r *wire.Record) (script.Reply, error) { return script.Retry(ctx, c.rdb, r) })
}

// Run lets a scheduled, retrying or aggregating task start now. Errors: CodeNotFound; CodeConflict in any other state;
// CodeUnavailable.
func (c *Client) Run(ctx context.Context, id string) (*task.Task, error) {
	return c.control(ctx, id, "run", func(r *wire.Record) (script.Reply, error) { return script.Run(ctx, c.rdb, r.Queue, id) })
}

// Delete removes a task that does not run, and all that is known of it. Errors: CodeNotFound; CodeConflict
// while it runs; CodeUnavailable.
func (c *Client) Delete(ctx context.Context, id string) error {
	_, err := c.control(ctx, id, "deleted", func(r *wire.Record) (script.Reply, error) { return script.Delete(ctx, c.rdb, r.Queue, id) })
	return err
}

// control finds a task, runs a script on it, and returns the task as it is then.
func (c *Client) control(
	ctx context.Context, id, verb string, act func(r *wire.Record) (script.Reply, error),
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
		case reply == script.Changed:
			continue
		case reply == "":
			return nil, task.NotFound("there is no task %q", id)
		case reply != script.Done:
			r.State = string(reply)
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
