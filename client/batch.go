package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// maxBatch is how many tasks the API takes at once.
const maxBatch = 1000

// BatchResult is what became of one task of a batch: Task or Err is set.
type BatchResult struct {
	// Task is the task as it stood when it was taken.
	Task *Task
	// Err is why it was not taken: an *Error if the API refused it.
	Err error
}

// EnqueueBatch hands in as many tasks as you like, a thousand a call. The results are those of the requests, in order: one
// that is at fault does not hinder the others. The error tells of a call that failed as a whole, or of
// a store that went away in the midst of it; the tasks that were not taken because of it have it as their Err.
//
// A task without an ID gets one, by which the client knows it again if an answer is lost. For a task with an ID of your own
// see ID.
func (c *Client) EnqueueBatch(ctx context.Context, requests []TaskRequest) ([]BatchResult, error) {
	results := make([]BatchResult, len(requests))
	for start := 0; start < len(requests); start += maxBatch {
		end := min(start+maxBatch, len(requests))
		if err := c.enqueueBatch(ctx, newBatch(requests[start:end], results[start:end])); err != nil {
			for i := end; i < len(results); i++ {
				results[i].Err = err
			}
			return results, err
		}
	}
	return results, nil
}

// batch is what goes in one call: tasks, and where their results belong.
type batch []*batchTask

type batchTask struct {
	TaskRequest
	ours   bool // the client made the ID up
	result *BatchResult
}

func newBatch(requests []TaskRequest, results []BatchResult) batch {
	b := make(batch, len(requests))
	for i, request := range requests {
		b[i] = &batchTask{request, request.ID == "", &results[i]}
		if b[i].ours {
			b[i].ID = uuid.Must(uuid.NewV7()).String()
		}
	}
	return b
}

func (b batch) fail(err error) error {
	for _, t := range b {
		t.result.Err = err
	}
	return err
}

// enqueueBatch makes the call for a batch again as long as that may help, for the tasks that are still open.
func (c *Client) enqueueBatch(ctx context.Context, b batch) error {
	again := call{safe: true} // by the IDs
	for failures := 0; ; failures++ {
		open, err := c.enqueueOnce(ctx, b, failures > 0)
		switch {
		case errors.Is(err, ErrTooLarge) && len(b) > 1:
			return c.enqueueHalves(ctx, b)
		case err == nil && len(open) == 0:
			return nil
		case err == nil: // the store has gone midway
			b, err = open, open[0].result.Err
		}
		if err := again.again(ctx, err, failures); err != nil {
			return b.fail(err)
		}
	}
}

func (c *Client) enqueueHalves(ctx context.Context, b batch) error {
	half := len(b) / 2
	if err := c.enqueueBatch(ctx, b[:half]); err != nil {
		return b[half:].fail(err)
	}
	return c.enqueueBatch(ctx, b[half:])
}

// batchItem is an item of the API's answer.
type batchItem struct {
	Status int     `json:"status"`
	Task   *Task   `json:"task"`
	Error  problem `json:"error"`
}

// enqueueOnce makes the call once, and returns the tasks that are worth another.
func (c *Client) enqueueOnce(ctx context.Context, b batch, repeated bool) (open batch, err error) {
	requests := make([]*TaskRequest, len(b))
	for i, t := range b {
		requests[i] = &t.TaskRequest
	}
	r, err := send(http.MethodPost, tasksPath+"/batch", map[string]any{"tasks": requests})
	if err != nil {
		return nil, err
	}
	a, err := c.attempt(ctx, r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Results []batchItem `json:"results"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil || len(body.Results) != len(b) {
		return nil, fmt.Errorf("%s %s was answered with %d results for %d tasks: %w", r.method, r.path, len(body.Results), len(b), errors.Join(err))
	}
	for i, item := range body.Results {
		t := b[i]
		t.result.Task, t.result.Err = item.Task, item.err(r)
		switch {
		case item.Status == http.StatusServiceUnavailable:
			open = append(open, t)
		case item.Status == http.StatusConflict && repeated:
			c.resolve(ctx, t)
		}
	}
	return open, nil
}

func (item *batchItem) err(r *call) error {
	if item.Task != nil {
		return nil
	}
	return item.Error.of(r, item.Status)
}

// resolve finds a task that an attempt has enqueued whose answer was lost.
func (c *Client) resolve(ctx context.Context, t *batchTask) {
	if !t.ours {
		t.result.Task, t.result.Err = c.taken(ctx, &t.TaskRequest, 0, t.result.Err)
		return
	}
	found, err := c.Task(ctx, t.ID)
	if errors.Is(err, ErrNotFound) { // it has come and gone
		found, err = &Task{ID: t.ID, Type: t.Type, Queue: t.Queue}, nil
	}
	*t.result = BatchResult{found, err}
}
