package fleet

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

type queueDocument struct {
	Name           string `json:"name" example:"default"`
	Weight         int    `json:"weight" doc:"Its share of the workers, or its rank with strict priority; 0 if this API does not know the queue."`
	Paused         bool   `json:"paused"`
	Pending        int    `json:"pending"`
	Running        int    `json:"running"`
	Scheduled      int    `json:"scheduled"`
	Aggregating    int    `json:"aggregating" doc:"Tasks in groups of asynq."`
	Retrying       int    `json:"retrying"`
	Failed         int    `json:"failed"`
	Succeeded      int    `json:"succeeded"`
	LatencyMS      int64  `json:"latency_ms" doc:"How long the oldest pending task has waited."`
	ProcessedToday int    `json:"processed_today" doc:"Attempts that ended since midnight UTC."`
	FailedToday    int    `json:"failed_today" doc:"The failed ones among them."`
}

func newQueueDocument(q *fleet.QueueStatus) queueDocument {
	return queueDocument{
		Name:           q.Name,
		Weight:         q.Weight,
		Paused:         q.Paused,
		Pending:        q.Pending,
		Running:        q.Running,
		Scheduled:      q.Scheduled,
		Aggregating:    q.Aggregating,
		Retrying:       q.Retrying,
		Failed:         q.Failed,
		Succeeded:      q.Succeeded,
		LatencyMS:      q.Latency.Milliseconds(),
		ProcessedToday: q.ProcessedToday,
		FailedToday:    q.FailedToday,
	}
}

type queueList struct {
	Items []queueDocument `json:"items" nullable:"false"`
}

type queuesAnswer struct {
	Body queueList
}

type queuePath struct {
	Queue string `path:"queue" doc:"The name of the queue." example:"default"`
}

type queueAnswer struct {
	Body queueDocument
}

func (a *API) queueRoutes() []rest.Route {
	tags := []string{"Queues"}
	return []rest.Route{
		rest.Handle(rest.Route{Scope: auth.QueuesRead, Operation: huma.Operation{
			OperationID: "list-queues", Method: http.MethodGet, Path: "/v1/queues", Tags: tags,
			Summary: "List queues", Description: "The configured ones first, then those that other asynq clients have created.",
		}}, a.listQueues),
		rest.Handle(rest.Route{Scope: auth.QueuesRead, Operation: huma.Operation{
			OperationID: "get-queue", Method: http.MethodGet, Path: "/v1/queues/{queue}", Tags: tags,
			Summary: "Get a queue", Description: "The number of its tasks in each state.", Errors: []int{http.StatusNotFound},
		}}, a.getQueue),
		rest.Handle(rest.Route{Scope: auth.QueuesWrite, Action: "queue.pause", Operation: huma.Operation{
			OperationID: "pause-queue", Method: http.MethodPost, Path: "/v1/queues/{queue}/pause", Tags: tags,
			Summary: "Pause a queue", Description: "Workers start no more of its tasks. Running tasks continue.",
			Errors: []int{http.StatusNotFound},
		}}, a.pauseQueue),
		rest.Handle(rest.Route{Scope: auth.QueuesWrite, Action: "queue.resume", Operation: huma.Operation{
			OperationID: "resume-queue", Method: http.MethodPost, Path: "/v1/queues/{queue}/resume", Tags: tags,
			Summary: "Resume a queue", Description: "Ends a pause.", Errors: []int{http.StatusNotFound},
		}}, a.resumeQueue),
	}
}

func (a *API) listQueues(ctx context.Context, _ *struct{}) (*queuesAnswer, error) {
	queues, err := a.Tasks.Queues(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]queueDocument, len(queues))
	for i := range queues {
		items[i] = newQueueDocument(&queues[i])
	}
	return &queuesAnswer{queueList{items}}, nil
}

func (a *API) getQueue(ctx context.Context, in *queuePath) (*queueAnswer, error) {
	q, err := a.Tasks.Queue(ctx, in.Queue)
	if err != nil {
		return nil, err
	}
	return &queueAnswer{newQueueDocument(q)}, nil
}

func (a *API) pauseQueue(ctx context.Context, in *queuePath) (*queueAnswer, error) {
	if err := a.Tasks.Pause(ctx, in.Queue); err != nil {
		return nil, err
	}
	return a.getQueue(ctx, in)
}

func (a *API) resumeQueue(ctx context.Context, in *queuePath) (*queueAnswer, error) {
	if err := a.Tasks.Resume(ctx, in.Queue); err != nil {
		return nil, err
	}
	return a.getQueue(ctx, in)
}
