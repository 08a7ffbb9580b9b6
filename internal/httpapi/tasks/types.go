package tasks

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

type taskTypeDocument struct {
	Type          string          `json:"type" example:"http.request"`
	Aliases       []string        `json:"aliases" nullable:"false" doc:"Further names under which its tasks may be enqueued and are run."`
	Description   string          `json:"description"`
	Queue         string          `json:"queue" doc:"The queue of tasks that name none."`
	MaxRetries    int             `json:"max_retries"`
	Timeout       task.Duration   `json:"timeout"`
	PayloadSchema json.RawMessage `json:"payload_schema" doc:"JSON Schema of the payload."`
	ResultSchema  json.RawMessage `json:"result_schema" doc:"JSON Schema of the result; null if it has none."`
	Origin        catalog.Origin  `json:"origin" enum:"builtin,worker" doc:"Whether the API was built with the type or knows it from workers."`
	Workers       int             `json:"workers" doc:"How many live workers run it."`
	SDK           string          `json:"sdk" example:"backbeat-go/v0.1.0" doc:"The library that its workers use; empty if no worker has been seen."`
	LastSeenAt    rest.Timestamp  `json:"last_seen_at" doc:"When the last of its workers was seen; null if none was."`
}

type taskTypeList struct {
	Items []taskTypeDocument `json:"items" nullable:"false"`
}

type taskTypesAnswer struct {
	Body taskTypeList
}

func (a *API) typeRoutes() []rest.Route {
	return []rest.Route{rest.Handle(rest.Route{Scope: auth.TasksRead, Operation: huma.Operation{
		OperationID: "list-task-types", Method: http.MethodGet, Path: "/v1/task-types", Tags: []string{"Task types"},
		Summary: "List task types", Description: "Each with its defaults and with the JSON Schemas of its payload and result. The list has the types that the API was built with, and those " +
			"that workers run or have run within types.ttl.",
	}}, a.listTaskTypes)}
}

func (a *API) listTaskTypes(context.Context, *struct{}) (*taskTypesAnswer, error) {
	known := a.Types.Known()
	items := make([]taskTypeDocument, len(known))
	for i, k := range known {
		items[i] = taskTypeDocument{
			Type:          k.Name,
			Aliases:       append([]string{}, k.Aliases...),
			Description:   k.Description,
			Queue:         a.Types.QueueOf(k.Type),
			MaxRetries:    k.MaxRetries,
			Timeout:       task.Duration(k.Timeout),
			PayloadSchema: k.PayloadSchema(),
			ResultSchema:  catalog.OrNull(k.ResultSchema()),
			Origin:        k.Origin,
			Workers:       k.Workers,
			SDK:           k.SDK,
			LastSeenAt:    rest.Timestamp(k.LastSeenAt),
		}
	}
	return &taskTypesAnswer{taskTypeList{items}}, nil
}
