package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
)

const tasksPath = "/v1/tasks"

func taskPath(id string) string { return tasksPath + "/" + url.PathEscape(id) }

// Task returns a task, or ErrNotFound if it does not exist or is no longer kept.
func (c *Client) Task(ctx context.Context, id string) (*Task, error) {
	return do[*Task](ctx, c, get(taskPath(id), nil))
}

// TaskFilter selects tasks by queue, state and type: each list names the accepted values. An empty list accepts all values.
type TaskFilter struct {
	Queues []string
	States []State
	Types  []string
	// PageSize is the number of tasks that are fetched at a time, 1 to 1000. Default: 200.
	PageSize int
}

// Tasks iterates over tasks by queue, within a queue by state, and within a state newest first. It fetches them page by
// page. An error ends the iteration.
func (c *Client) Tasks(ctx context.Context, f TaskFilter) iter.Seq2[*Task, error] {
	query := url.Values{"queue": f.Queues, "type": f.Types}
	for _, state := range f.States {
		query.Add("state", string(state))
	}
	return pages[*Task](ctx, c, tasksPath, query, f.PageSize)
}

// Cancel cancels an unfinished task. A task that is not running becomes Canceled at once. The context of a running task
// ends, and the task becomes Canceled when its handler returns. The error is ErrConflict for a task that has finished in
// another state.
func (c *Client) Cancel(ctx context.Context, id string) (*Task, error) {
	return c.taskAction(ctx, id, "cancel")
}

// Retry puts a failed, canceled or expired task back into its queue, with all its retries. The error is ErrConflict for a
// task in another state.
func (c *Client) Retry(ctx context.Context, id string) (*Task, error) {
	return c.taskAction(ctx, id, "retry")
}

// RunNow starts a scheduled, retrying or aggregating task without further delay. The error is ErrConflict for a task in
// another state.
func (c *Client) RunNow(ctx context.Context, id string) (*Task, error) {
	return c.taskAction(ctx, id, "run")
}

// taskAction makes a call that is not safe to repeat: the second time, it has another effect or is a conflict.
func (c *Client) taskAction(ctx context.Context, id, verb string) (*Task, error) {
	r, err := send(http.MethodPost, taskPath(id)+"/"+verb, nil)
	if err != nil {
		return nil, err
	}
	return do[*Task](ctx, c, r)
}

// Delete deletes a task and its result. The error is ErrConflict for a running task, which must be canceled first.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.remove(ctx, taskPath(id), nil)
}

// remove makes a DELETE call. Not found counts as success in a repetition: an earlier attempt, whose answer was lost, has
// deleted the resource.
func (c *Client) remove(ctx context.Context, path string, conditions []Condition) error {
	r, err := send(http.MethodDelete, path, nil)
	if err != nil {
		return err
	}
	r.safe = true
	r.require(conditions)
	for failures := 0; ; failures++ {
		_, err := c.attempt(ctx, r)
		if err == nil || failures > 0 && errors.Is(err, ErrNotFound) {
			return nil
		}
		if err := r.awaitRetry(ctx, err, failures); err != nil {
			return err
		}
	}
}
