package client

import (
	"context"
	"time"
)

// Worker is a live worker, as of its last heartbeat.
type Worker struct {
	// ID is host:pid:random, as in Task.Worker. In containers, host names and PIDs may not be unique.
	ID   string `json:"id"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
	// Queues are the queues that the worker takes tasks from, with their weights.
	Queues map[string]int `json:"queues"`
	// Concurrency is how many tasks the worker runs at the same time.
	Concurrency int           `json:"concurrency"`
	Running     []RunningTask `json:"running"`
	StartedAt   time.Time     `json:"started_at"`
}

// RunningTask is a task that a worker runs.
type RunningTask struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Queue     string    `json:"queue"`
	StartedAt time.Time `json:"started_at"`
}

// Workers returns the live workers. A dead worker is included for up to 10 s.
func (c *Client) Workers(ctx context.Context) ([]Worker, error) {
	p, err := do[page[Worker]](ctx, c, get("/v1/workers", nil))
	return p.Items, err
}
