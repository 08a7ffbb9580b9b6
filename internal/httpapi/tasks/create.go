package tasks

import (
	"context"
	"maps"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

func (a *API) creationRoutes() []rest.Route {
	return []rest.Route{rest.Handle(rest.Route{Scope: auth.TasksWrite, Complete: a.completeCreate, Operation: huma.Operation{
		OperationID: "create-task", Method: http.MethodPost, Path: "/v1/tasks", Tags: []string{"Tasks"},
		Summary: "Enqueue a task",
		Description: "Checks the task against its type and adds it to its queue. The answer is the task, with its id. " +
			"With an `Idempotency-Key` it is safe to send the request again. With `Prefer: wait=10` the answer is sent as soon as the task has " +
			"finished, or after so many seconds, 60 at most.",
		DefaultStatus: http.StatusAccepted,
		Responses: map[string]*huma.Response{"200": {
			Description: "The task that an earlier request with the same Idempotency-Key has enqueued; or, with Prefer: wait, the finished task.",
			Content:     rest.TaskContent(a.Schemas),
		}},
		SkipValidateBody: true, // requestReader does it
		Errors:           []int{http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
	}}, a.createTask)}
}

// completeCreate adds the schema of the body, which huma knows as bytes only, and the headers of 200, since huma adds them to
// one status only.
func (a *API) completeCreate(op *huma.Operation) {
	op.RequestBody.Content["application/json"].Schema = a.requests.Schema
	op.Responses["200"].Headers = maps.Clone(op.Responses["202"].Headers)
}

type createTaskInput struct {
	IdempotencyKey
	Preference
	RawBody []byte `contentType:"application/json"`
}

type createTaskAnswer struct {
	Status            int
	Location          string `header:"Location" doc:"The path of the task."`
	Replayed          string `header:"Idempotency-Replayed" doc:"true if an earlier request with the same Idempotency-Key has enqueued the task."`
	PreferenceApplied string `header:"Preference-Applied" doc:"For how long the answer waits at most, if the request prefers that." example:"wait=10"`
	Body              *rest.TaskDocument
}

func (a *API) createTask(ctx context.Context, in *createTaskInput) (*createTaskAnswer, error) {
	answer := &createTaskAnswer{Status: http.StatusAccepted}
	var limit time.Duration
	// Where too many requests wait already, this one does not: it is only a preference.
	if in.wait > 0 && a.waits.begin() {
		defer a.waits.end()
		limit = in.wait
		answer.PreferenceApplied = applied(limit)
	}
	t, replayed, err := a.create(ctx, in, limit)
	if err != nil {
		return nil, err
	}
	if replayed {
		answer.Replayed = "true"
	}
	if replayed || t.State.Terminal() {
		answer.Status = http.StatusOK
	}
	answer.Location, answer.Body = rest.TaskPath(a.Prefix, t.ID), rest.NewTaskDocument(t)
	return answer, nil
}

// create enqueues a task, and waits up to limit for its end. It reports whether an earlier request with the same idempotency
// key has enqueued it.
func (a *API) create(ctx context.Context, in *createTaskInput, limit time.Duration) (t *task.Task, replayed bool, err error) {
	if in.key != "" {
		return a.createOnce(ctx, in, limit)
	}
	if t, err = a.requests.read(in.RawBody, a.Tasks.Now()); err != nil {
		return nil, false, err
	}
	if limit > 0 {
		t, err = a.Tasks.EnqueueAndWait(ctx, t, limit)
	} else {
		err = a.Tasks.Enqueue(ctx, t)
	}
	return t, false, err
}
