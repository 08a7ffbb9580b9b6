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

// Task asks how a task is doing. A task that is not there, or not any more: ErrNotFound.
func (c *Client) Task(ctx context.Context, id string) (*Task, error) {
	return do[*Task](ctx, c, get(taskPath(id), nil))
}

// TaskFilter selects the tasks that are in one of the queues, in one of the states and of one of the types. Empty fields
// select all.
type TaskFilter struct {
	Queues []string
	States []State
	Types  []string
	// PageSize is how many tasks are fetched at a time, 1 to 1000. Default: 200.
	PageSize int
}

// Tasks lists tasks, page by page as you go: queue by queue, in each state by state, and in each state the newest first. An
// error ends the list.
func (c *Client) Tasks(ctx context.Context, f TaskFilter) iter.Seq2[*Task, error] {
	query := url.Values{"queue": f.Queues, "type": f.Types}
	for _, state := range f.States {
		query.Add("state", string(state))
	}
	return pages[*Task](ctx, c, tasksPath, query, f.PageSize)
}

// Cancel ends a task that is not over: at once if it does not run; else its context ends, and it ends as Canceled. A task that
// is over and was not canceled: ErrConflict.
func (c *Client) Cancel(ctx context.Context, id string) (*Task, error) {
	return c.steer(ctx, id, "cancel")
}

// Retry puts a failed, canceled or expired task back into its queue, with all its retries. A task in another state:
// ErrConflict.
func (c *Client) Retry(ctx context.Context, id string) (*Task, error) {
	return c.steer(ctx, id, "retry")
}

// RunNow lets a scheduled, retrying or aggregating task start at once. A task in another state: ErrConflict.
func (c *Client) RunNow(ctx context.Context, id string) (*Task, error) {
	return c.steer(ctx, id, "run")
}

// steer does not count as safe: what was done the first time makes the second a conflict, or is done twice.
func (c *Client) steer(ctx context.Context, id, verb string) (*Task, error) {
	r, err := send(http.MethodPost, taskPath(id)+"/"+verb, nil)
	if err != nil {
		return nil, err
	}
	return do[*Task](ctx, c, r)
}

// Delete removes a task and its result. A running task: ErrConflict; cancel it first.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.remove(ctx, taskPath(id), nil)
}

// remove is safe to repeat, but that the repetition finds nothing where an attempt has removed it whose answer was lost.
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
		if err := r.again(ctx, err, failures); err != nil {
			return err
		}
	}
}
