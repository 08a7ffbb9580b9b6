package httpapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/task"
)

// maxWait is how long a request may wait for a task.
const maxWait = time.Minute

func (a *api) taskRoutes() []Route {
	tags := []string{"Tasks"}
	return []Route{
		Handle(Route{Scope: auth.TasksRead, Operation: huma.Operation{
			OperationID: "list-tasks", Method: http.MethodGet, Path: "/v1/tasks", Tags: tags,
			Summary: "List tasks",
			Description: "Queue by queue, in each state by state, and in each state the newest first. A page may be short, or even empty, " +
				"and have a next_cursor all the same: it holds 8 MiB of payloads and results at most, unless one task has more.",
		}}, a.listTasks),
		Handle(Route{Scope: auth.TasksRead, Complete: completeGet, Operation: huma.Operation{
			OperationID: "get-task", Method: http.MethodGet, Path: "/v1/tasks/{id}", Tags: tags,
			Summary: "Ask how a task is doing",
			Description: "With wait, the answer comes as soon as the task is over, or after that time with the task as it then is. " +
				"304 if that is what the client has.",
			Responses: map[string]*huma.Response{
				"200": {Description: "The task.", Content: a.taskContent()},
				"304": {Description: "The task is as If-None-Match says."},
			},
			Errors: []int{http.StatusNotFound, http.StatusTooManyRequests},
		}}, a.getTask),
		control("cancel", "Cancel a task",
			"A task that does not run is canceled at once. One that runs has its context ended, ends as canceled, and is not tried again. A canceled task stays as it is.",
			a.Tasks.Cancel),
		control("retry", "Try a finished task again",
			"Puts a failed, canceled or expired task back into its queue, with all its retries.", a.Tasks.Retry),
		control("run", "Run a waiting task now",
			"Lets a scheduled, retrying or aggregating task start at once.", a.Tasks.Run),
		Handle(Route{Scope: auth.TasksWrite, Action: "task.delete", Operation: huma.Operation{
			OperationID: "delete-task", Method: http.MethodDelete, Path: "/v1/tasks/{id}", Tags: tags,
			Summary: "Delete a task", Description: "Removes the task and its result. A running task must be canceled first.",
			DefaultStatus: http.StatusNoContent, Errors: []int{http.StatusNotFound, http.StatusConflict},
		}}, a.deleteTask),
	}
}

// completeGet gives 304 the ETag, which huma knows of one status only.
func completeGet(op *huma.Operation) {
	op.Responses["304"].Headers = map[string]*huma.Header{"ETag": op.Responses["200"].Headers["ETag"]}
}

// taskContent describes the document of a task where huma does not see it.
func (a *api) taskContent() map[string]*huma.MediaType {
	schema := a.schemas.Schema(reflect.TypeFor[taskDocument](), true, "TaskDocument")
	return map[string]*huma.MediaType{"application/json": {Schema: schema}}
}

// control returns a route that changes the state of a task and answers with the task.
func control(verb, summary, description string, act func(ctx context.Context, id string) (*task.Task, error)) Route {
	return Handle(Route{Scope: auth.TasksWrite, Action: "task." + verb, Operation: huma.Operation{
		OperationID: verb + "-task", Method: http.MethodPost, Path: "/v1/tasks/{id}/" + verb, Tags: []string{"Tasks"},
		Summary: summary, Description: description + " 409 in any other state.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}}, func(ctx context.Context, in *taskPath) (*taskAnswer, error) {
		t, err := act(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &taskAnswer{newTaskDocument(t)}, nil
	})
}

type taskPath struct {
	ID string `path:"id" doc:"The id of the task." example:"order-17"`
}

type taskAnswer struct {
	Body *taskDocument
}

// inBody places faults of a request in the body.
func inBody(err error) error { return placed("body.", err) }

func placed(where string, err error) error {
	e, ok := errors.AsType[*task.Error](err)
	if !ok {
		return err
	}
	located := *e
	located.Faults = nil
	for _, f := range e.Faults {
		located.Faults = append(located.Faults, task.ValidationError{Location: strings.TrimSuffix(where+f.Location, "."), Message: f.Message})
	}
	return &located
}

type listInput struct {
	Queues []string `query:"queue" doc:"Only tasks of these queues: names with commas between them, or the parameter several times."`
	States []string `query:"state" enum:"scheduled,aggregating,pending,running,retrying,succeeded,failed,canceled,expired" doc:"Only tasks in these states."`
	Types  []string `query:"type" doc:"Only tasks of these types."`
	Limit  int      `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many tasks at most."`
	Cursor string   `query:"cursor" doc:"The next_cursor of the page before."`
}

type taskList struct {
	Items      []*taskDocument `json:"items" nullable:"false"`
	NextCursor string          `json:"next_cursor,omitempty" doc:"Where the next page begins; absent on the last one."`
}

type listAnswer struct {
	Body taskList
}

func (a *api) listTasks(ctx context.Context, in *listInput) (*listAnswer, error) {
	filter, err := a.filter(in.Queues, in.States, in.Types)
	if err != nil {
		return nil, placed("query.", err)
	}
	page, err := a.Tasks.List(ctx, filter, in.Cursor, in.Limit)
	if err != nil {
		return nil, placed("query.", err)
	}
	items := make([]*taskDocument, len(page.Tasks))
	for i, t := range page.Tasks {
		items[i] = newTaskDocument(t)
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
	ETag        string `header:"ETag" doc:"It changes with whatever the task shows." example:"\"7dI0oDTgSVT3bEDM\""`
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *api) getTask(ctx context.Context, in *getInput) (*getAnswer, error) {
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

// getOrWait returns a task as it is, or as it is when it is over or the wait is.
func (a *api) getOrWait(ctx context.Context, id string, wait time.Duration) (*task.Task, error) {
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
	// The connection may note that the time is over a moment before the context does.
	if over, _ := waiting.Deadline(); err != nil && !time.Now().Before(over) && ctx.Err() == nil {
		return a.Tasks.Get(ctx, id) // the wait was too short for the task to be found
	}
	return t, err
}

func parseWait(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	wait, err := parseSeconds(text)
	if err != nil || wait > maxWait {
		return 0, newProblem(http.StatusUnprocessableEntity, "validation failed",
			fault{"query.wait", "must be a duration of at most 60s, such as 30s or 30"})
	}
	return wait, nil
}

func (a *api) deleteTask(ctx context.Context, in *taskPath) (*struct{}, error) {
	return nil, a.Tasks.Delete(ctx, in.ID)
}
