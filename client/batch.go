package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// maxBatch is the most tasks that the API accepts in one request.
const maxBatch = 1000

// BatchResult is the result for one task of a batch: either Task or Err is set.
type BatchResult struct {
	// Task is the task as enqueued.
	Task *Task
	// Err says why the task was not enqueued. It is an *Error if the API refused the task.
	Err error
}

// EnqueueBatch enqueues any number of tasks, a thousand per API request. The results are in the order of the requests. An
// invalid request does not affect the others. The error is that of an API request that failed as a whole, or of a store
// that became unavailable during it; it is also the Err of all tasks that were not enqueued because of it.
//
// A task without an ID gets one from the client, so that the request can be repeated safely if its answer is lost. See ID
// for tasks with an ID of their own.
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

// batch is the tasks of a single API request.
type batch []*batchTask

type batchTask struct {
	TaskRequest
	generated bool         // the client generated the ID
	result    *BatchResult // in the results of EnqueueBatch
}

func newBatch(requests []TaskRequest, results []BatchResult) batch {
	b := make(batch, len(requests))
	for i, request := range requests {
		b[i] = &batchTask{request, request.ID == "", &results[i]}
		if b[i].generated {
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

// enqueueBatch enqueues a batch, and repeats the request for the remaining tasks while that may help.
func (c *Client) enqueueBatch(ctx context.Context, b batch) error {
	repeatable := call{safe: true} // because of the IDs
	for failures := 0; ; failures++ {
		remaining, err := c.enqueueOnce(ctx, b, failures > 0)
		switch {
		case errors.Is(err, ErrTooLarge) && len(b) > 1:
			return c.enqueueHalves(ctx, b)
		case err == nil && len(remaining) == 0:
			return nil
		case err == nil: // the store became unavailable during the request
			b, err = remaining, remaining[0].result.Err
		}
		if err := repeatable.awaitRetry(ctx, err, failures); err != nil {
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

// batchItem is an item of the API's response.
type batchItem struct {
	Status int     `json:"status"`
	Task   *Task   `json:"task"`
	Error  problem `json:"error"`
}

// enqueueOnce sends the request once, and returns the tasks for which a repetition may help.
func (c *Client) enqueueOnce(ctx context.Context, b batch, repeated bool) (remaining batch, err error) {
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
			remaining = append(remaining, t)
		case item.Status == http.StatusConflict && repeated:
			c.resolve(ctx, t)
		}
	}
	return remaining, nil
}

func (item *batchItem) err(r *call) error {
	if item.Task != nil {
		return nil
	}
	return item.Error.of(r, item.Status)
}

// resolve finds the task that an earlier attempt enqueued, whose answer was lost.
func (c *Client) resolve(ctx context.Context, t *batchTask) {
	if !t.generated {
		t.result.Task, t.result.Err = c.enqueuedBefore(ctx, &t.TaskRequest, 0, t.result.Err)
		return
	}
	found, err := c.Task(ctx, t.ID)
	if errors.Is(err, ErrNotFound) { // the task has finished and was not kept
		found, err = &Task{ID: t.ID, Type: t.Type, Queue: t.Queue}, nil
	}
	*t.result = BatchResult{found, err}
}
