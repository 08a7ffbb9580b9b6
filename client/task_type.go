package client

import (
	"context"
	"encoding/json"
	"time"
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
	// Aliases are further names under which tasks of the type may be enqueued and are run.
	Aliases []string `json:"aliases"`
	// Origin is builtin for a type that the API was built with, worker for one that it knows from workers.
	Origin string `json:"origin"`
	// Workers is how many live ones run the type.
	Workers int `json:"workers"`
	// SDK is what its workers are built with, and LastSeenAt when the last of them was seen; empty and zero if none has been.
	SDK        string    `json:"sdk"`
	LastSeenAt time.Time `json:"last_seen_at,omitzero"`
}

// TaskTypes lists the task types in the order of their names.
func (c *Client) TaskTypes(ctx context.Context) ([]TaskType, error) {
	p, err := do[page[TaskType]](ctx, c, get("/v1/task-types", nil))
	return p.Items, err
}
