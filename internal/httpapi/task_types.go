package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/task"
)

type taskTypeDocument struct {
	Type          string          `json:"type" example:"http.request"`
	Description   string          `json:"description"`
	Queue         string          `json:"queue" doc:"Where its tasks go unless they say otherwise."`
	MaxRetries    int             `json:"max_retries"`
	Timeout       task.Duration   `json:"timeout"`
	PayloadSchema json.RawMessage `json:"payload_schema" doc:"JSON Schema of the payload."`
	ResultSchema  json.RawMessage `json:"result_schema" doc:"JSON Schema of the result; null if it has none."`
}

type taskTypeList struct {
	Items []taskTypeDocument `json:"items" nullable:"false"`
}

type taskTypesAnswer struct {
	Body taskTypeList
}

func (a *api) addTaskTypes() {
	register(a, huma.Operation{
		OperationID: "list-task-types", Method: http.MethodGet, Path: "/v1/task-types", Tags: []string{"Task types"},
		Summary: "List task types", Description: "Each with its defaults and with the JSON Schemas of what it takes and gives.",
	}, a.listTaskTypes)
}

func (a *api) listTaskTypes(context.Context, *struct{}) (*taskTypesAnswer, error) {
	types := a.Types.Types()
	items := make([]taskTypeDocument, len(types))
	for i, t := range types {
		items[i] = taskTypeDocument{
			Type:          t.Name,
			Description:   t.Description,
			Queue:         a.Types.QueueOf(t),
			MaxRetries:    t.MaxRetries,
			Timeout:       task.Duration(t.Timeout),
			PayloadSchema: t.PayloadSchema(),
			ResultSchema:  orNull(t.ResultSchema()),
		}
	}
	return &taskTypesAnswer{taskTypeList{items}}, nil
}
