package tasks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/guard"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

// maxBatch is how many tasks one request may enqueue.
const maxBatch = 1000

func (a *API) batchRoutes() []rest.Route {
	return []rest.Route{rest.Handle(rest.Route{Scope: auth.TasksWrite, Complete: a.completeBatch, Operation: huma.Operation{
		OperationID: "create-tasks", Method: http.MethodPost, Path: "/v1/tasks/batch", Tags: []string{"Tasks"},
		Summary: "Enqueue many tasks",
		Description: "Each is checked and enqueued by itself: an invalid task does not prevent the others. " +
			"The answer has a result for each, in order. Under a rate limit a batch costs as much as its tasks would one by one; a batch " +
			"larger than the limit's burst is accepted when the whole burst is available, and the next requests wait for the rest of its cost.",
		SkipValidateBody: true, // requestReader does it, task by task
		Errors:           []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
	}}, a.createTasks)}
}

// completeBatch adds the schema of the body.
func (a *API) completeBatch(op *huma.Operation) {
	one, most := 1, maxBatch
	op.RequestBody.Content["application/json"].Schema = &huma.Schema{
		Type: huma.TypeObject, Required: []string{"tasks"}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{"tasks": {
			Type: huma.TypeArray, Items: a.requests.Schema, MinItems: &one, MaxItems: &most, Description: "The tasks.",
		}},
	}
}

type batchAnswer struct {
	Body batchResults
}

type batchResults struct {
	Results []batchResult `json:"results" nullable:"false" doc:"The result of each task, in order."`
}

// batchResult is the answer that a request with the one task would have got.
type batchResult struct {
	Status int                `json:"status" doc:"The status of the task's own answer." example:"202"`
	Task   *rest.TaskDocument `json:"task,omitempty" doc:"The task, if it was enqueued."`
	Error  *rest.Problem      `json:"error,omitempty" doc:"The problem, if it was not."`
}

type batchInput struct {
	RawBody []byte `contentType:"application/json"`
}

func (a *API) createTasks(ctx context.Context, in *batchInput) (*batchAnswer, error) {
	requests, err := splitBatch(in.RawBody)
	if err != nil {
		return nil, err
	}
	if err := guard.ChargeFor(ctx, len(requests)); err != nil {
		return nil, err
	}
	results := make([]batchResult, len(requests))
	tasks := make([]*task.Task, 0, len(requests))
	places := make([]int, 0, len(requests))
	now := a.Tasks.Now()
	for i, request := range requests {
		t, err := a.requests.read(request, now)
		if err != nil {
			results[i] = a.refused(ctx, i, err)
			continue
		}
		tasks, places = append(tasks, t), append(places, i)
	}
	for j, err := range a.Tasks.EnqueueAll(ctx, tasks) {
		if err != nil {
			results[places[j]] = a.refused(ctx, places[j], err)
		} else {
			results[places[j]] = batchResult{Status: http.StatusAccepted, Task: rest.NewTaskDocument(tasks[j])}
		}
	}
	return &batchAnswer{batchResults{results}}, nil
}

// splitBatch returns the task requests of a body.
func splitBatch(data []byte) ([]json.RawMessage, error) {
	var body struct {
		Tasks []json.RawMessage `json:"tasks"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(&body)
	if err == nil && !errors.Is(dec.Decode(&struct{}{}), io.EOF) {
		return nil, rest.NewProblem(http.StatusBadRequest, "the body is not JSON", rest.At("body", "goes on after its end"))
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil, rest.NewProblem(http.StatusBadRequest, "the body is not JSON", rest.At("body", err.Error()))
	}
	switch {
	case err != nil:
		return nil, rest.InBody(task.Invalid(rest.ValidationErrorOf(err)))
	case len(body.Tasks) == 0 || len(body.Tasks) > maxBatch:
		return nil, rest.InBody(task.Invalid(task.ValidationError{Location: "tasks", Message: fmt.Sprintf("must be 1 to %d tasks", maxBatch)}))
	}
	return body.Tasks, nil
}

// refused returns the result of a task that was not enqueued. Its validation errors are located in the whole body.
func (a *API) refused(ctx context.Context, place int, err error) batchResult {
	p, _ := errors.AsType[*rest.Problem](rest.ProblemOf(ctx, a.Logger, err)) // ProblemOf returns one for every error
	for i, f := range p.Errors {
		p.Errors[i].Location = fmt.Sprintf("body.tasks[%d]", place) + strings.TrimPrefix(f.Location, "body")
	}
	return batchResult{Status: p.Status, Error: p}
}
