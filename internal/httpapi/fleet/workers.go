package fleet

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

type workerDocument struct {
	ID          string            `json:"id" doc:"host:pid:random, as in the worker field of tasks: in containers host names and pids may be equal." example:"web-1:4711:9f86d081"`
	Host        string            `json:"host"`
	PID         int               `json:"pid"`
	Queues      map[string]int    `json:"queues" doc:"The queues it serves, with their weights."`
	Concurrency int               `json:"concurrency" doc:"How many tasks it runs at once."`
	Running     []runningDocument `json:"running" nullable:"false" doc:"The tasks that it runs, as of its last heartbeat."`
	StartedAt   rest.Timestamp    `json:"started_at"`
}

type runningDocument struct {
	ID        string         `json:"id"`
	Type      string         `json:"type"`
	Queue     string         `json:"queue"`
	StartedAt rest.Timestamp `json:"started_at"`
}

type workerList struct {
	Items []workerDocument `json:"items" nullable:"false"`
}

type workersAnswer struct {
	Body workerList
}

func (a *API) workerRoutes() []rest.Route {
	return []rest.Route{rest.Handle(rest.Route{Scope: auth.QueuesRead, Operation: huma.Operation{
		OperationID: "list-workers", Method: http.MethodGet, Path: "/v1/workers", Tags: []string{"Workers"},
		Summary:     "List live workers",
		Description: "As of their last heartbeat, which is sent every 5 s. A worker that died is listed for up to 10 s more.",
	}}, a.listWorkers)}
}

func (a *API) listWorkers(ctx context.Context, _ *struct{}) (*workersAnswer, error) {
	workers, err := a.Tasks.Workers(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]workerDocument, len(workers))
	for i, w := range workers {
		running := make([]runningDocument, len(w.Running))
		for j, r := range w.Running {
			running[j] = runningDocument{r.ID, r.Type, r.Queue, rest.Timestamp(r.StartedAt)}
		}
		items[i] = workerDocument{w.ID, w.Host, w.PID, w.Queues, w.Concurrency, running, rest.Timestamp(w.StartedAt)}
	}
	return &workersAnswer{workerList{items}}, nil
}
