package client

import (
	"context"
	"net/http"
)

// BulkRequest does one thing to many tasks.
type BulkRequest struct {
	Action BulkAction `json:"action"`
	Filter BulkFilter `json:"filter"`
	// DryRun counts the tasks that the filter selects, and changes nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// BulkAction is what a BulkRequest does.
type BulkAction string

// The actions, which do what the methods of Client do to one task.
const (
	BulkCancel BulkAction = "cancel"
	BulkRetry  BulkAction = "retry"
	BulkDelete BulkAction = "delete"
)

// BulkFilter selects the tasks that are in one of the queues, in one of the states and of one of the types. Empty fields
// select all, but the API wants to be told something.
type BulkFilter struct {
	Queues []string `json:"queue,omitempty"`
	States []State  `json:"state,omitempty"`
	Types  []string `json:"type,omitempty"`
	// OlderThan leaves the younger ones out.
	OlderThan Duration `json:"older_than,omitempty"`
}

// BulkResult tells what a BulkRequest did.
type BulkResult struct {
	Action BulkAction `json:"action"`
	DryRun bool       `json:"dry_run"`
	// Matched is how many tasks the filter selected, Changed how many of them were changed, and Skipped how many were in no
	// state, or not any more, for the action.
	Matched int `json:"matched"`
	Changed int `json:"changed"`
	Skipped int `json:"skipped"`
}

// Bulk does one thing to every task that a filter selects. It may take a while, and only ctx bounds it. What was done when it
// fails stays done, and doing it again does the rest.
func (c *Client) Bulk(ctx context.Context, request BulkRequest) (*BulkResult, error) {
	r, err := send(http.MethodPost, tasksPath+"/bulk", request)
	if err != nil {
		return nil, err
	}
	r.unbounded = true
	r.safe = request.DryRun
	return do[*BulkResult](ctx, c, r)
}
