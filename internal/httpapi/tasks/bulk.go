package tasks

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

func (a *API) bulkRoutes() []rest.Route {
	complete := func(op *huma.Operation) { op.RequestBody.Content["application/json"].Schema = a.bulks.Schema }
	return []rest.Route{rest.Handle(rest.Route{Scope: auth.TasksWrite, Action: "task.bulk", Complete: complete, Operation: huma.Operation{
		OperationID: "change-tasks", Method: http.MethodPost, Path: "/v1/tasks/bulk", Tags: []string{"Tasks"},
		Summary: "Cancel, retry or delete many tasks",
		Description: "Takes the action on each task that the filter selects, and counts them. Give at least one of " +
			"queue, state and type. Tasks that are enqueued meanwhile are left alone. The answer is sent at the end: after seconds for 100,000 tasks. " +
			"A request that breaks off has changed a part of the tasks, and the same request again changes the rest.",
		SkipValidateBody: true, // rest.BodyReader does it
		Errors:           []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
		Middlewares:      huma.Middlewares{withoutWriteDeadline},
	}}, a.changeTasks)}
}

// withoutWriteDeadline removes the time limit of an answer. The request ends when the client hangs up or the program stops.
func withoutWriteDeadline(ctx huma.Context, next func(huma.Context)) {
	// An error means that there is no connection, and so no deadline.
	_ = http.NewResponseController(humaecho.Unwrap(ctx).Response()).SetWriteDeadline(time.Time{})
	next(ctx)
}

type bulkInput struct {
	RawBody []byte `contentType:"application/json"`
}

type bulkRequest struct {
	Action fleet.Action `json:"action" enum:"cancel,retry,delete" doc:"The action. cancel asks running tasks to stop, delete skips them."`
	Filter bulkFilter   `json:"filter" doc:"Selects the tasks that match all fields given."`
	DryRun bool         `json:"dry_run,omitempty" doc:"Only count the tasks that match, and those that would be skipped."`
}

type bulkFilter struct {
	Queues    oneOrMore `json:"queue,omitempty" doc:"Only tasks of this queue, or of these."`
	States    oneOrMore `json:"state,omitempty" doc:"Only tasks in this state, or in one of these. Default: all that allow the action."`
	Types     oneOrMore `json:"type,omitempty" doc:"Only tasks of this type, or of one of these."`
	OlderThan *string   `json:"older_than,omitempty" example:"24h" doc:"Only tasks that finished longer ago than this, or unfinished ones that were created longer ago."`
}

// change returns the bulk change that a request describes.
func (a *API) change(r *bulkRequest) (fleet.Bulk, error) {
	var age task.Duration
	if r.Filter.OlderThan != nil {
		if err := age.UnmarshalText([]byte(*r.Filter.OlderThan)); err != nil {
			return fleet.Bulk{}, task.Invalid(task.ValidationError{Location: "filter.older_than", Message: err.Error()})
		}
	}
	filter, err := a.filter(r.Filter.Queues, r.Filter.States, r.Filter.Types)
	if err != nil {
		return fleet.Bulk{}, rest.Placed("filter.", err)
	}
	return fleet.Bulk{Action: r.Action, Filter: filter, OlderThan: time.Duration(age), DryRun: r.DryRun}, nil
}

type bulkAnswer struct {
	Body bulkDocument
}

type bulkDocument struct {
	Action  fleet.Action `json:"action" enum:"cancel,retry,delete"`
	DryRun  bool         `json:"dry_run"`
	Matched int          `json:"matched" doc:"Tasks that the filter selected, in states that allow the action; and running ones, for delete."`
	Changed int          `json:"changed" doc:"Those of them on which the action was taken; 0 in a dry run."`
	Skipped int          `json:"skipped" doc:"Those of them whose state did not allow the action, or no longer."`
}

func (a *API) changeTasks(ctx context.Context, in *bulkInput) (*bulkAnswer, error) {
	request, invalid, err := a.bulks.Read(in.RawBody)
	if err != nil {
		return nil, err
	}
	if len(invalid) > 0 {
		return nil, rest.InBody(task.Invalid(invalid...))
	}
	change, err := a.change(request)
	if err != nil {
		return nil, rest.InBody(err)
	}
	result, err := a.Tasks.Bulk(ctx, change)
	note := rest.NoteOf(ctx)
	note.Nothing = change.DryRun
	note.Target = describeBulk(&change)
	note.Detail = fmt.Sprintf("matched=%d changed=%d skipped=%d", result.Matched, result.Changed, result.Skipped)
	if err != nil {
		return nil, rest.InBody(err)
	}
	return &bulkAnswer{bulkDocument{
		Action: change.Action, DryRun: change.DryRun, Matched: result.Matched, Changed: result.Changed, Skipped: result.Skipped,
	}}, nil
}

// describeBulk describes a change in one line.
func describeBulk(change *fleet.Bulk) string {
	text := []string{string(change.Action)}
	add := func(name, value string) {
		if value != "" {
			text = append(text, name+"="+value)
		}
	}
	add("queue", strings.Join(change.Filter.Queues, ","))
	add("state", joinStates(change.Filter.States))
	add("type", strings.Join(change.Filter.Types, ","))
	if change.OlderThan > 0 {
		add("older_than", task.Duration(change.OlderThan).String())
	}
	return strings.Join(text, " ")
}
