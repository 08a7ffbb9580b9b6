package client

import (
	"context"
	"net/http"
)

// BulkRequest asks for an action on all tasks that a filter selects.
type BulkRequest struct {
	Action BulkAction `json:"action"`
	Filter BulkFilter `json:"filter"`
	// DryRun only counts the tasks.
	DryRun bool `json:"dry_run,omitempty"`
}

// BulkAction is the action of a BulkRequest.
type BulkAction string

// The actions. They do to each task what Client.Cancel, Client.Retry and Client.Delete do to one.
const (
	BulkCancel BulkAction = "cancel"
	BulkRetry  BulkAction = "retry"
	BulkDelete BulkAction = "delete"
)

// BulkFilter selects tasks by queue, state and type: each list names the accepted values. An empty list accepts all
// values, but the API requires at least one of queues, states and types.
type BulkFilter struct {
	Queues []string `json:"queue,omitempty"`
	States []State  `json:"state,omitempty"`
	Types  []string `json:"type,omitempty"`
	// OlderThan excludes tasks that are younger. Default: tasks of any age.
	OlderThan Duration `json:"older_than,omitempty"`
}

// BulkResult is the result of a BulkRequest.
type BulkResult struct {
	Action  BulkAction `json:"action"`
	DryRun  bool       `json:"dry_run"`
	Matched int        `json:"matched"` // selected by the filter
	Changed int        `json:"changed"`
	Skipped int        `json:"skipped"` // selected, but in a state that does not allow the action
}

// Bulk takes an action on every task that a filter selects. It may take long; only ctx bounds it. If it fails, some tasks may
// have been changed; repeating it changes the rest.
func (c *Client) Bulk(ctx context.Context, request BulkRequest) (*BulkResult, error) {
	r, err := send(http.MethodPost, tasksPath+"/bulk", request)
	if err != nil {
		return nil, err
	}
	r.unbounded = true
	r.safe = request.DryRun
	return do[*BulkResult](ctx, c, r)
}
