package schedules

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

const (
	schedulesURL = "/v1/schedules"
	scheduleURL  = "/v1/schedules/{id}"
	jsonType     = "application/json"
	patchType    = "application/merge-patch+json"
)

func (a *API) editRoutes() []rest.Route {
	tags := []string{"Schedules"}
	badBody := []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType}
	changing := append([]int{http.StatusConflict, http.StatusPreconditionFailed}, badBody...)
	return []rest.Route{
		rest.Handle(rest.Route{Scope: auth.SchedulesWrite, Action: "schedule.put", StoreTime: rest.StoreTime, Complete: a.completePut, Operation: huma.Operation{
			OperationID: "put-schedule", Method: http.MethodPut, Path: scheduleURL, Tags: tags,
			Summary: "Create or replace a schedule",
			Description: "Takes exactly one trigger (cron, every or at) and a task. 201 if the schedule is new, 200 if it exists: then it keeps " +
				"its counters, and its interval continues unless the trigger or start_at changes. The answer of GET can be sent back: " +
				"its read-only fields are ignored, and a request that changes nothing leaves ETag and updated_at unchanged. A schedule of the " +
				"configuration file cannot be replaced: 409.",
			DefaultStatus: http.StatusOK, SkipValidateBody: true, // schedule.ReadDefinition does it
			Errors: changing,
			Responses: map[string]*huma.Response{
				"201": {Description: "Created", Content: map[string]*huma.MediaType{jsonType: {
					Schema: a.Schemas.Schema(reflect.TypeFor[scheduleDocument](), true, ""),
				}}},
			},
		}}, a.putSchedule),
		rest.Handle(rest.Route{Scope: auth.SchedulesWrite, Action: "schedule.patch", StoreTime: rest.StoreTime, Complete: completePatch, Operation: huma.Operation{
			OperationID: "patch-schedule", Method: http.MethodPatch, Path: scheduleURL, Tags: tags,
			Summary: "Change fields of a schedule",
			Description: "Takes a JSON merge patch (RFC 7396) of the body of PUT: fields that are given change, null restores a field's default, " +
				"and the others stay. A trigger replaces the previous one. The fields of task are merged too.",
			SkipValidateBody: true, // schedule.ReadPatch does it
			Errors:           append([]int{http.StatusNotFound}, changing...),
		}}, a.patchSchedule),
		// It has no StoreTime: it waits for the beat.
		rest.Handle(rest.Route{Scope: auth.SchedulesWrite, Action: "schedule.delete", Operation: huma.Operation{
			OperationID: "delete-schedule", Method: http.MethodDelete, Path: scheduleURL, Tags: tags,
			Summary:       "Delete a schedule",
			Description:   "No task of it is enqueued after the answer. Existing tasks stay. A schedule of the configuration file cannot be deleted: 409.",
			DefaultStatus: http.StatusNoContent,
			Errors:        []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed},
		}}, a.deleteSchedule),
		// It changes nothing.
		rest.Handle(rest.Route{Scope: auth.SchedulesRead, StoreTime: rest.StoreTime, Complete: a.completePreview, Operation: huma.Operation{
			OperationID: "preview-schedule", Method: http.MethodPost, Path: schedulesURL + "/preview", Tags: tags,
			Summary:          "Preview the times of a trigger",
			Description:      "The next times of a cron, every or at, strictly after a time, in the trigger's zone and with its offset. An interval counts from start_at, or else from one interval after that time.",
			SkipValidateBody: true, // schedule.ReadPreview does it
			Errors:           badBody,
		}}, a.previewSchedule),
	}
}

// completePut adds the schema of the body, and the headers of 201: huma gives them to 200 and knows no other status.
func (a *API) completePut(op *huma.Operation) {
	describeBody(op, a.Schemas.Schema(reflect.TypeFor[schedule.Definition](), true, ""), exampleDefinition, jsonType)
	headers := op.Responses["200"].Headers
	created := *headers["Location"]
	created.Required = true
	op.Responses["201"].Headers = map[string]*huma.Header{"ETag": headers["ETag"], "Location": &created}
	delete(headers, "Location")
}

// completePatch adds the schema of the body.
func completePatch(op *huma.Operation) {
	patch := &huma.Schema{Type: huma.TypeObject, Description: "Fields of what PUT /v1/schedules/{id} takes.", AdditionalProperties: true}
	describeBody(op, patch, examplePatch, patchType, jsonType)
}

// completePreview adds the schema of the body.
func (a *API) completePreview(op *huma.Operation) {
	describeBody(op, a.Schemas.Schema(reflect.TypeFor[schedule.PreviewRequest](), true, ""), examplePreview, jsonType)
}

func (a *API) readRoutes() []rest.Route {
	tags := []string{"Schedules"}
	return []rest.Route{
		rest.Handle(rest.Route{Scope: auth.SchedulesRead, StoreTime: rest.StoreTime, Operation: huma.Operation{
			OperationID: "list-schedules", Method: http.MethodGet, Path: schedulesURL, Tags: tags,
			Summary: "List schedules", Description: "In the order of their ids.",
		}}, a.listSchedules),
		rest.Handle(rest.Route{Scope: auth.SchedulesRead, StoreTime: rest.StoreTime, Operation: huma.Operation{
			OperationID: "get-schedule", Method: http.MethodGet, Path: scheduleURL, Tags: tags,
			Summary: "Get a schedule", Description: "The ETag is for the If-Match of a change.",
			Errors: []int{http.StatusNotFound},
		}}, a.getSchedule),
		rest.Handle(rest.Route{Scope: auth.SchedulesRead, StoreTime: rest.StoreTime, Operation: huma.Operation{
			OperationID: "list-runs", Method: http.MethodGet, Path: scheduleURL + "/runs", Tags: tags,
			Summary: "List the runs of a schedule", Description: "Newest first: the ticks that fired, and those that did not, with the reason. The last 200 are kept.",
			Errors: []int{http.StatusNotFound},
		}}, a.listRuns),
	}
}

func (a *API) controlRoutes() []rest.Route {
	tags := []string{"Schedules"}
	errors := []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed}
	return []rest.Route{
		rest.Handle(rest.Route{Scope: auth.SchedulesWrite, Action: "schedule.pause", StoreTime: rest.StoreTime, Operation: huma.Operation{
			OperationID: "pause-schedule", Method: http.MethodPost, Path: scheduleURL + "/pause", Tags: tags,
			Summary: "Pause a schedule", Description: "No tick becomes a task until the schedule is resumed. Existing tasks run.",
			Errors: errors,
		}}, a.pauseSchedule),
		rest.Handle(rest.Route{Scope: auth.SchedulesWrite, Action: "schedule.resume", StoreTime: rest.StoreTime, Operation: huma.Operation{
			OperationID: "resume-schedule", Method: http.MethodPost, Path: scheduleURL + "/resume", Tags: tags,
			Summary: "Resume a schedule", Description: "It continues with the next tick: ticks during the pause do not run.",
			Errors: errors,
		}}, a.resumeSchedule),
		rest.Handle(rest.Route{Scope: auth.SchedulesWrite, Action: "schedule.trigger", StoreTime: rest.StoreTime, Operation: huma.Operation{
			OperationID: "trigger-schedule", Method: http.MethodPost, Path: scheduleURL + "/trigger", Tags: tags,
			Summary:       "Run a schedule's task now",
			Description:   "Enqueues one task outside of the times of the schedule, paused or not. The answer is the task.",
			DefaultStatus: http.StatusAccepted,
			Errors:        []int{http.StatusNotFound, http.StatusConflict},
		}}, a.triggerSchedule),
	}
}

type scheduleAnswer struct {
	ETag string `header:"ETag" doc:"The revision, for If-Match. It changes with the definition or the pause of the schedule, and not with ticks." example:"\"r3-mi8x3k2o\""`
	Body *scheduleDocument
}

// answerWith returns the answer with a result of the store.
func (a *API) answerWith(s *schedule.Schedule, err error) (*scheduleAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &scheduleAnswer{etag(s), a.newScheduleDocument(s)}, nil
}

type putScheduleInput struct {
	SchedulePath
	PutConditions
	RawBody []byte `contentType:"application/json"`
}

type putScheduleAnswer struct {
	Status   int
	Location string `header:"Location" doc:"The path of the new schedule."`
	ETag     string `header:"ETag" doc:"The revision, for If-Match." example:"\"r1-mi8x3k2o\""`
	Body     *scheduleDocument
}

func (a *API) putSchedule(ctx context.Context, in *putScheduleInput) (*putScheduleAnswer, error) {
	if err := schedule.CheckID(in.ID); err != nil {
		return nil, rest.Placed("path.", err)
	}
	if err := rest.WellFormed(in.RawBody); err != nil {
		return nil, err
	}
	given, paused, err := schedule.ReadDefinition(withoutReadOnly(in.RawBody), a.Types, a.Schedules.Now())
	if err != nil {
		return nil, rest.InBody(err)
	}
	answer := &putScheduleAnswer{}
	s, err := a.edit(ctx, in.ID, in.check, func(current *schedule.Schedule) (*schedule.Schedule, error) {
		answer.Status, answer.Location = http.StatusOK, ""
		spec := given
		if current == nil {
			answer.Status, answer.Location = http.StatusCreated, a.Prefix+schedulesURL+"/"+url.PathEscape(in.ID)
		} else {
			spec = current.Reread(given, a.Types)
		}
		return a.replace(current, in.ID, spec, paused)
	})
	if err != nil {
		return nil, err
	}
	answer.ETag, answer.Body = etag(s), a.newScheduleDocument(s)
	return answer, nil
}

type patchScheduleInput struct {
	SchedulePath
	Conditions
	RawBody []byte `contentType:"application/merge-patch+json"`
}

func (a *API) patchSchedule(ctx context.Context, in *patchScheduleInput) (*scheduleAnswer, error) {
	if err := rest.WellFormed(in.RawBody); err != nil {
		return nil, err
	}
	check := func(current *schedule.Schedule) error {
		if current == nil {
			return noSchedule(in.ID)
		}
		return in.check(current)
	}
	return a.answerWith(a.edit(ctx, in.ID, check, func(current *schedule.Schedule) (*schedule.Schedule, error) {
		patch := withoutReadOnly(in.RawBody)
		spec, paused, err := current.ReadPatch(patch, a.Types, a.Schedules.Now())
		if err != nil {
			return nil, rest.InBody(err)
		}
		if len(patch) < len(in.RawBody) { // it is an answer of GET
			spec = current.Reread(spec, a.Types)
		}
		return a.replace(current, in.ID, spec, paused)
	}))
}

// replace changes the spec of a schedule, or creates one if the current is nil. It returns the current schedule itself if
// nothing changes.
func (a *API) replace(current *schedule.Schedule, id string, spec schedule.Spec, paused bool) (*schedule.Schedule, error) {
	if current != nil && current.SameSpec(spec) && current.Paused == paused {
		return current, nil
	}
	now := a.Schedules.Now()
	if err := spec.CheckPast(current, now); err != nil {
		return nil, rest.InBody(err)
	}
	changed, err := schedule.Put(current, id, spec, paused, schedule.OriginAPI, now)
	if err == nil && changed.Paused && current != nil && current.PausedReason == schedule.PausedByFailures {
		changed.PausedReason = schedule.PausedByFailures // as before: the request changes something else
	}
	return changed, err
}

// edit changes the definition of a schedule, unless it is of the configuration. The check is a part of the change: of two
// callers that have read the same revision, one is refused.
func (a *API) edit(
	ctx context.Context, id string, check func(*schedule.Schedule) error, change func(*schedule.Schedule) (*schedule.Schedule, error),
) (*schedule.Schedule, error) {
	return a.Schedules.Update(ctx, id, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		if err := checkOrigin(current); err != nil {
			return nil, nil, err
		}
		if err := check(current); err != nil {
			return nil, nil, err
		}
		changed, err := change(current)
		rest.NoteOf(ctx).Nothing = err == nil && changed == current
		return changed, a.passedOver(current, changed), err
	})
}

// passedOver returns the runs to record for the ticks of a pause, if a change ends it.
func (a *API) passedOver(current, changed *schedule.Schedule) []schedule.Run {
	if current == nil || changed == nil || !current.Paused || changed.Paused {
		return nil
	}
	return schedule.PassedOver(current, a.Schedules.Now())
}

func noSchedule(id string) error { return task.NotFound("there is no schedule %q", id) }

type controlInput struct {
	SchedulePath
	Conditions
}

func (a *API) deleteSchedule(ctx context.Context, in *controlInput) (*struct{}, error) {
	return nil, a.Schedules.Delete(ctx, in.ID, func(current *schedule.Schedule) error {
		if err := checkOrigin(current); err != nil {
			return err
		}
		return in.check(current)
	})
}

type listSchedulesInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many schedules at most."`
	Cursor string `query:"cursor" doc:"The next_cursor of the previous page."`
}

type scheduleList struct {
	Items      []*scheduleDocument `json:"items" nullable:"false"`
	NextCursor string              `json:"next_cursor,omitempty" doc:"The cursor of the next page; absent on the last one."`
}

type listSchedulesAnswer struct {
	Body scheduleList
}

func (a *API) listSchedules(ctx context.Context, in *listSchedulesInput) (*listSchedulesAnswer, error) {
	after, err := decodeCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	list, next, err := a.Schedules.List(ctx, after, in.Limit)
	if err != nil {
		return nil, err
	}
	items := make([]*scheduleDocument, len(list))
	for i, s := range list {
		items[i] = a.newScheduleDocument(s)
	}
	return &listSchedulesAnswer{scheduleList{items, encodeCursor(next)}}, nil
}

func (a *API) getSchedule(ctx context.Context, in *SchedulePath) (*scheduleAnswer, error) {
	return a.answerWith(a.Schedules.Get(ctx, in.ID))
}

func (a *API) pauseSchedule(ctx context.Context, in *controlInput) (*scheduleAnswer, error) {
	return a.answerWith(a.control(ctx, in, func(current *schedule.Schedule) (*schedule.Schedule, error) {
		if current.Paused {
			return current, nil
		}
		return schedule.Pause(current, schedule.PausedByUser, a.Schedules.Now()), nil
	}))
}

func (a *API) resumeSchedule(ctx context.Context, in *controlInput) (*scheduleAnswer, error) {
	return a.answerWith(a.control(ctx, in, func(current *schedule.Schedule) (*schedule.Schedule, error) {
		now := a.Schedules.Now()
		if current.Paused && current.Check(a.Types, now) != nil {
			return nil, task.Conflict("schedule %q cannot run as it is stored: put it anew, or delete it", in.ID)
		}
		return schedule.Resume(current, now)
	}))
}

// control pauses or resumes a schedule, one of the configuration too.
func (a *API) control(
	ctx context.Context, in *controlInput, change func(*schedule.Schedule) (*schedule.Schedule, error),
) (*schedule.Schedule, error) {
	return a.Schedules.Update(ctx, in.ID, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		if current == nil {
			return nil, nil, noSchedule(in.ID)
		}
		if err := in.check(current); err != nil {
			return nil, nil, err
		}
		changed, err := change(current)
		return changed, a.passedOver(current, changed), err
	})
}

type triggerAnswer struct {
	Location string `header:"Location" doc:"The path of the task."`
	Body     *rest.TaskDocument
}

// triggerSchedule records the run before it enqueues the task, so that the task counts as unfinished from the start.
func (a *API) triggerSchedule(ctx context.Context, in *SchedulePath) (*triggerAnswer, error) {
	id := uuid.Must(uuid.NewV7()).String() // an error means that there is no randomness, without which Go does not run
	var before *schedule.Schedule
	var made *task.Task
	_, err := a.Schedules.Update(ctx, in.ID, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		if current == nil {
			return nil, nil, noSchedule(in.ID)
		}
		now := a.Schedules.Now()
		changed, run := schedule.Trigger(current, id, now)
		t, err := changed.Task(a.Types, run, now)
		if err != nil {
			return nil, nil, task.Conflict("schedule %q cannot run as it is stored: put it anew, or delete it", in.ID)
		}
		before, made = current, t
		return changed, []schedule.Run{run}, nil
	})
	if err != nil {
		return nil, err
	}
	if err := a.Tasks.Enqueue(ctx, made); err != nil {
		a.untrigger(ctx, before, id)
		return nil, err
	}
	return &triggerAnswer{rest.TaskPath(a.Prefix, id), rest.NewTaskDocument(made)}, nil
}

// untrigger removes the record of a task that could not be enqueued. If that fails too, the beat later finds that there is no
// such task.
func (a *API) untrigger(ctx context.Context, before *schedule.Schedule, taskID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, err := a.Schedules.Update(ctx, before.ID, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		if current == nil {
			return nil, nil, nil
		}
		s := *current
		if !s.Ended(taskID, "", a.Schedules.Now()) {
			return current, nil, nil
		}
		s.LastState = current.LastState
		if s.LastTaskID == taskID {
			s.LastRunAt, s.LastTaskID, s.LastState = before.LastRunAt, before.LastTaskID, before.LastState
		}
		return &s, nil, nil
	})
	if err != nil {
		a.Logger.Warn("a triggered task that was not enqueued still counts as unfinished", "schedule", before.ID, "task", taskID, "error", err)
	}
}

type listRunsInput struct {
	SchedulePath
	Limit int `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many runs at most."`
}

type runList struct {
	Items []runDocument `json:"items" nullable:"false"`
}

type listRunsAnswer struct {
	Body runList
}

func (a *API) listRuns(ctx context.Context, in *listRunsInput) (*listRunsAnswer, error) {
	runs, err := a.Schedules.Runs(ctx, in.ID, in.Limit)
	if err != nil {
		return nil, err
	}
	if err := a.findStates(ctx, runs); err != nil {
		return nil, err
	}
	items := make([]runDocument, len(runs))
	for i := range runs {
		items[i] = newRunDocument(&runs[i])
	}
	return &listRunsAnswer{runList{items}}, nil
}

// findStates adds the states of tasks that were unfinished when last seen.
func (a *API) findStates(ctx context.Context, runs []schedule.Run) error {
	var open []int
	var ids []string
	for i, r := range runs {
		if r.TaskID != "" && r.State == "" {
			open, ids = append(open, i), append(ids, r.TaskID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	states, err := a.Tasks.States(ctx, ids)
	if err != nil {
		return err
	}
	for k, i := range open {
		runs[i].State = states[k]
	}
	return nil
}

type previewScheduleInput struct {
	RawBody []byte `contentType:"application/json"`
}

type previewList struct {
	Runs []zoned `json:"runs" nullable:"false"`
}

type previewScheduleAnswer struct {
	Body previewList
}

func (a *API) previewSchedule(_ context.Context, in *previewScheduleInput) (*previewScheduleAnswer, error) {
	if err := rest.WellFormed(in.RawBody); err != nil {
		return nil, err
	}
	ticks, err := schedule.ReadPreview(in.RawBody, a.Schedules.Now())
	if err != nil {
		return nil, rest.InBody(err)
	}
	runs := make([]zoned, len(ticks))
	for i, t := range ticks {
		runs[i] = zoned(t)
	}
	return &previewScheduleAnswer{previewList{runs}}, nil
}
