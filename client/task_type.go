package client

import (
	"context"
	"encoding/json"
	"time"
)

// TaskType is a task type that the API knows, with its defaults.
type TaskType struct {
	Type        string   `json:"type"`
	Description string   `json:"description"`
	Queue       string   `json:"queue"`
	MaxRetries  int      `json:"max_retries"`
	Timeout     Duration `json:"timeout"`
	// PayloadSchema and ResultSchema are JSON Schemas; ResultSchema is null for a type without a result.
	PayloadSchema json.RawMessage `json:"payload_schema"`
	ResultSchema  json.RawMessage `json:"result_schema"`
	// Aliases are other names of the type, under which its tasks can be enqueued too.
	Aliases []string `json:"aliases"`
	// Origin is "builtin" for a type that the API was built with, and "worker" for a type that workers registered.
	Origin string `json:"origin"`
	// Workers is the number of live workers that run the type.
	Workers int `json:"workers"`
	// SDK is the SDK of the workers, and LastSeenAt the time at which one was last seen; empty and zero if none was.
	SDK        string    `json:"sdk"`
	LastSeenAt time.Time `json:"last_seen_at,omitzero"`
}

// TaskTypes returns the task types in the order of their names.
func (c *Client) TaskTypes(ctx context.Context) ([]TaskType, error) {
	p, err := do[page[TaskType]](ctx, c, get("/v1/task-types", nil))
	return p.Items, err
}
