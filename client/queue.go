package client

import (
	"context"
	"net/http"
	"net/url"
)

const queuesPath = "/v1/queues"

// QueueStatus is a queue with what it holds.
type QueueStatus struct {
	Name string `json:"name"`
	// Weight is its share of the workers, or its rank with strict priority; 0 if the API does not know the queue.
	Weight    int  `json:"weight"`
	Paused    bool `json:"paused"`
	Pending   int  `json:"pending"`
	Running   int  `json:"running"`
	Scheduled int  `json:"scheduled"`
	// Aggregating counts tasks in groups of asynq.
	Aggregating int `json:"aggregating"`
	Retrying    int `json:"retrying"`
	Failed      int `json:"failed"`
	Succeeded   int `json:"succeeded"`
	// LatencyMS is for how many milliseconds the oldest pending task has waited.
	LatencyMS int64 `json:"latency_ms"`
	// ProcessedToday counts the attempts that ended since midnight UTC, FailedToday those of them that failed.
	ProcessedToday int `json:"processed_today"`
	FailedToday    int `json:"failed_today"`
}

// Queues lists the queues.
func (c *Client) Queues(ctx context.Context) ([]QueueStatus, error) {
	p, err := do[page[QueueStatus]](ctx, c, get(queuesPath, nil))
	return p.Items, err
}

// Queue asks what a queue holds.
func (c *Client) Queue(ctx context.Context, name string) (*QueueStatus, error) {
	return do[*QueueStatus](ctx, c, get(queuesPath+"/"+url.PathEscape(name), nil))
}

// PauseQueue lets workers take no more tasks out of a queue. Those that run go on.
func (c *Client) PauseQueue(ctx context.Context, name string) (*QueueStatus, error) {
	return c.steerQueue(ctx, name, "pause")
}

// ResumeQueue ends a pause.
func (c *Client) ResumeQueue(ctx context.Context, name string) (*QueueStatus, error) {
	return c.steerQueue(ctx, name, "resume")
}

func (c *Client) steerQueue(ctx context.Context, name, verb string) (*QueueStatus, error) {
	r, err := send(http.MethodPost, queuesPath+"/"+url.PathEscape(name)+"/"+verb, nil)
	if err != nil {
		return nil, err
	}
	r.safe = true
	return do[*QueueStatus](ctx, c, r)
}
