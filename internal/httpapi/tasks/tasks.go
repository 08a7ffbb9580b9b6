package tasks

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

// MaxWait is how long a request may wait for a task.
const MaxWait = time.Minute

func (a *API) taskRoutes() []rest.Route {
	tags := []string{"Tasks"}
	return []rest.Route{
		rest.Handle(rest.Route{Scope: auth.TasksRead, Operation: huma.Operation{
			OperationID: "list-tasks", Method: http.MethodGet, Path: "/v1/tasks", Tags: tags,
			Summary: "List tasks",
			Description: "Queue by queue, in each state by state, and in each state the newest first. A page may be short, or even empty, " +
				"and still have a next_cursor: it holds 8 MiB of payloads and results at most, unless one task has more.",
		}}, a.listTasks),
		rest.Handle(rest.Route{Scope: auth.TasksRead, Complete: completeGet, Operation: huma.Operation{
			OperationID: "get-task", Method: http.MethodGet, Path: "/v1/tasks/{id}", Tags: tags,
			Summary: "Get a task",
			Description: "With wait, the answer is sent as soon as the task has finished, or after that time with the unfinished task. " +
				"304 if the client has the task, by If-None-Match.",
			Responses: map[string]*huma.Response{
				"200": {Description: "The task.", Content: rest.TaskContent(a.Schemas)},
				"304": {Description: "The client has the task, by If-None-Match."},
			},
			Errors: []int{http.StatusNotFound, http.StatusTooManyRequests},
		}}, a.getTask),
		control("cancel", "Cancel a task",
			"A task that does not run is canceled at once. The context of a running task ends, and the task ends as canceled, without a retry. A canceled task stays unchanged.",
			a.Tasks.Cancel),
		control("retry", "Retry a finished task",
			"Adds a failed, canceled or expired task to its queue again, with all its retries.", a.Tasks.Retry),
		control("run", "Run a waiting task now",
			"Moves a scheduled, retrying or aggregating task to the pending ones.", a.Tasks.Run),
		rest.Handle(rest.Route{Scope: auth.TasksWrite, Action: "task.delete", Operation: huma.Operation{
			OperationID: "delete-task", Method: http.MethodDelete, Path: "/v1/tasks/{id}", Tags: tags,
			Summary: "Delete a task", Description: "Removes the task and its result. A running task must be canceled first.",
			DefaultStatus: http.StatusNoContent, Errors: []int{http.StatusNotFound, http.StatusConflict},
		}}, a.deleteTask),
	}
}

// completeGet adds the ETag to 304, since huma adds it to one status only.
func completeGet(op *huma.Operation) {
	op.Responses["304"].Headers = map[string]*huma.Header{"ETag": op.Responses["200"].Headers["ETag"]}
}

// control returns a route that changes the state of a task and answers with the task.
func control(verb, summary, description string, act func(ctx context.Context, id string) (*task.Task, error)) rest.Route {
	return rest.Handle(rest.Route{Scope: auth.TasksWrite, Action: "task." + verb, Operation: huma.Operation{
		OperationID: verb + "-task", Method: http.MethodPost, Path: "/v1/tasks/{id}/" + verb, Tags: []string{"Tasks"},
		Summary: summary, Description: description + " 409 in any other state.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}}, func(ctx context.Context, in *taskPath) (*taskAnswer, error) {
		t, err := act(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &taskAnswer{rest.NewTaskDocument(t)}, nil
	})
}

type taskPath struct {
	ID string `path:"id" doc:"The id of the task." example:"order-17"`
}

type taskAnswer struct {
	Body *rest.TaskDocument
}

type listInput struct {
	Queues []string `query:"queue" doc:"Only tasks of these queues: names separated by commas, or the parameter several times."`
	States []string `query:"state" enum:"scheduled,aggregating,pending,running,retrying,succeeded,failed,canceled,expired" doc:"Only tasks in these states."`
	Types  []string `query:"type" doc:"Only tasks of these types."`
	Limit  int      `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many tasks at most."`
	Cursor string   `query:"cursor" doc:"The next_cursor of the previous page."`
}

type taskList struct {
	Items      []*rest.TaskDocument `json:"items" nullable:"false"`
	NextCursor string               `json:"next_cursor,omitempty" doc:"The cursor of the next page; absent on the last one."`
}

type listAnswer struct {
	Body taskList
}

func (a *API) listTasks(ctx context.Context, in *listInput) (*listAnswer, error) {
	filter, err := a.filter(in.Queues, in.States, in.Types)
	if err != nil {
		return nil, rest.Placed("query.", err)
	}
	page, err := a.Tasks.List(ctx, filter, in.Cursor, in.Limit)
	if err != nil {
		return nil, rest.Placed("query.", err)
	}
	items := make([]*rest.TaskDocument, len(page.Tasks))
	for i, t := range page.Tasks {
		items[i] = rest.NewTaskDocument(t)
	}
	return &listAnswer{taskList{items, page.NextCursor}}, nil
}

type getInput struct {
	ID   string `path:"id" doc:"The id of the task." example:"order-17"`
	Wait string `query:"wait" doc:"Wait for the end of the task, 60s at most; a bare number counts seconds." example:"30s"`

	IfNoneMatch string `header:"If-None-Match" doc:"Answer 304 if the task still has this ETag." example:"\"7dI0oDTgSVT3bEDM\""`
}

type getAnswer struct {
	Status      int
	ETag        string `header:"ETag" doc:"It changes with any field of the task." example:"\"7dI0oDTgSVT3bEDM\""`
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *API) getTask(ctx context.Context, in *getInput) (*getAnswer, error) {
	wait, err := parseWait(in.Wait)
	if err != nil {
		return nil, err
	}
	t, err := a.waitedFor(ctx, in.ID, wait)
	if err != nil {
		return nil, err
	}
	document, err := encodeTask(t)
	if err != nil {
		return nil, err
	}
	etag := `"` + versionOfDocument(document) + `"`
	if hasVersion(in.IfNoneMatch, etag) {
		return &getAnswer{Status: http.StatusNotModified, ETag: etag}, nil
	}
	return &getAnswer{http.StatusOK, etag, "application/json", document}, nil
}

// getOrWait returns a task at once, or else when it has finished or the wait has ended.
func (a *API) getOrWait(ctx context.Context, id string, wait time.Duration) (*task.Task, error) {
	if wait == 0 {
		return a.Tasks.Get(ctx, id)
	}
	if !a.waits.begin() {
		return nil, errTooManyWaits()
	}
	defer a.waits.end()
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	t, err := a.Tasks.Wait(waiting, id)
	// The connection may reach the deadline a moment before the context does.
	if end, _ := waiting.Deadline(); err != nil && !time.Now().Before(end) && ctx.Err() == nil {
		return a.Tasks.Get(ctx, id) // the wait was too short for the task to be found
	}
	return t, err
}

func parseWait(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	wait, err := parseSeconds(text)
	if err != nil || wait > MaxWait {
		return 0, rest.NewProblem(http.StatusUnprocessableEntity, "validation failed",
			rest.At("query.wait", "must be a duration of at most 60s, such as 30s or 30"))
	}
	return wait, nil
}

func (a *API) deleteTask(ctx context.Context, in *taskPath) (*struct{}, error) {
	return nil, a.Tasks.Delete(ctx, in.ID)
}
