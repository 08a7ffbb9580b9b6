package broker

import (
	"context"
	"errors"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// HearOnly keeps the client from looking for what nobody announced, before anybody watches a task: what it does not hear
// of does not reach it.
func (c *Client) HearOnly() { c.watches.every = 24 * time.Hour }

// Adopt does at once what a worker does every few seconds, for what was archived so long ago.
func (c *Client) Adopt(ctx context.Context, queue string, age time.Duration) error {
	return adopt(ctx, c.rdb, queue, age)
}

// Watched is how many tasks somebody watches.
func (c *Client) Watched() int {
	c.watches.mu.Lock()
	defer c.watches.mu.Unlock()
	return len(c.watches.byTask)
}

// StoredMessage is what asynq finds of a task whose last attempt failed with the text.
func StoredMessage(t *task.Task, failure string) []byte {
	a := &attempt{message: newMessage(t)}
	a.fail(context.Background(), errors.New(failure), 0)
	return a.finalMessage(time.Now())
}

// StoredProgress is what Redis holds of a report.
func StoredProgress(r task.Report) string { return encodeProgress(r) }

// OutcomeWhenAborted is what comes of an attempt that has succeeded, when asynq hands its task back.
func OutcomeWhenAborted() task.State {
	a := &attempt{message: &message{}}
	a.succeed(nil)
	a.handBack(task.Pending)
	return a.outcome
}
