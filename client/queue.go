package client

import (
	"context"
	"net/http"
	"net/url"
)

const queuesPath = "/v1/queues"

// QueueStatus is a queue with the number of its tasks by state.
type QueueStatus struct {
	Name string `json:"name"`
	// Weight is the queue's share of the workers' capacity, or its rank with strict priority; 0 if the queue is not
	// configured in the API.
	Weight    int  `json:"weight"`
	Paused    bool `json:"paused"`
	Pending   int  `json:"pending"`
	Running   int  `json:"running"`
	Scheduled int  `json:"scheduled"`
	// Aggregating counts the tasks in asynq groups.
	Aggregating int `json:"aggregating"`
	Retrying    int `json:"retrying"`
	Failed      int `json:"failed"`
	Succeeded   int `json:"succeeded"`
	// LatencyMS is the waiting time of the oldest pending task, in milliseconds.
	LatencyMS int64 `json:"latency_ms"`
	// ProcessedToday counts the attempts that ended since midnight UTC, and FailedToday the failed ones among them.
	ProcessedToday int `json:"processed_today"`
	FailedToday    int `json:"failed_today"`
}

// Queues returns all queues.
func (c *Client) Queues(ctx context.Context) ([]QueueStatus, error) {
	p, err := do[page[QueueStatus]](ctx, c, get(queuesPath, nil))
	return p.Items, err
}

// Queue returns a queue.
func (c *Client) Queue(ctx context.Context, name string) (*QueueStatus, error) {
	return do[*QueueStatus](ctx, c, get(queuesPath+"/"+url.PathEscape(name), nil))
}

// PauseQueue stops workers from starting tasks of a queue. Running tasks continue.
func (c *Client) PauseQueue(ctx context.Context, name string) (*QueueStatus, error) {
	return c.queueAction(ctx, name, "pause")
}

// ResumeQueue ends the pause of a queue.
func (c *Client) ResumeQueue(ctx context.Context, name string) (*QueueStatus, error) {
	return c.queueAction(ctx, name, "resume")
}

func (c *Client) queueAction(ctx context.Context, name, verb string) (*QueueStatus, error) {
	r, err := send(http.MethodPost, queuesPath+"/"+url.PathEscape(name)+"/"+verb, nil)
	if err != nil {
		return nil, err
	}
	r.safe = true
	return do[*QueueStatus](ctx, c, r)
}
