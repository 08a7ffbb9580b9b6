package client

import (
	"context"
	"encoding/json"
)

// TaskType is a type of task that the API knows, with its defaults.
type TaskType struct {
	Type        string   `json:"type"`
	Description string   `json:"description"`
	Queue       string   `json:"queue"`
	MaxRetries  int      `json:"max_retries"`
	Timeout     Duration `json:"timeout"`
	// PayloadSchema and ResultSchema are JSON Schemas; ResultSchema is null for a type without a result.
	PayloadSchema json.RawMessage `json:"payload_schema"`
	ResultSchema  json.RawMessage `json:"result_schema"`
}

// TaskTypes lists the task types in the order of their names.
func (c *Client) TaskTypes(ctx context.Context) ([]TaskType, error) {
	p, err := do[page[TaskType]](ctx, c, get("/v1/task-types", nil))
	return p.Items, err
}
