package rest

import (
	"encoding/json"
	"net/url"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// TaskDocument is a task as the API shows it. Every field is always there, and null where it has no value.
type TaskDocument struct {
	ID              string            `json:"id" example:"019aa5f0-7c2e-7d3b-9f65-0f2b7b7a4a10"`
	Type            string            `json:"type" example:"http.request"`
	Queue           string            `json:"queue" example:"default"`
	State           task.State        `json:"state" enum:"scheduled,aggregating,pending,running,retrying,succeeded,failed,canceled,expired"`
	WaitingFor      *string           `json:"waiting_for" doc:"worker, while a pending task waits for a worker that knows its type; else null."`
	Payload         json.RawMessage   `json:"payload" doc:"The input of the task."`
	Result          json.RawMessage   `json:"result" doc:"The result; null until the task has succeeded."`
	Error           *errorDocument    `json:"error" doc:"The error of the last attempt, while the task is failed or retrying; else null."`
	Attempt         int               `json:"attempt" doc:"The number of runs begun since the task was enqueued or last retried by a caller, the current one included."`
	TotalAttempts   int               `json:"total_attempts" doc:"The number of all runs begun, those before a retry by a caller included."`
	MaxRetries      int               `json:"max_retries" doc:"How often a failed attempt is followed by another."`
	Timeout         *string           `json:"timeout" doc:"How long each attempt may take; null: without limit, as other clients may set it." example:"30s"`
	Deadline        Timestamp         `json:"deadline" doc:"When the last attempt must have ended."`
	Retention       string            `json:"retention" doc:"How long the finished task and its result are kept. A failed task of a stock asynq client is kept longer." example:"24h"`
	Progress        *progressDocument `json:"progress" doc:"The progress of the newest attempt, if it reports any."`
	Metadata        map[string]string `json:"metadata" doc:"Texts that the client has set."`
	CreatedAt       Timestamp         `json:"created_at"`
	RunAt           Timestamp         `json:"run_at" doc:"When it may start, or be retried."`
	StartedAt       Timestamp         `json:"started_at" doc:"When the newest attempt began."`
	FinishedAt      Timestamp         `json:"finished_at"`
	KeptUntil       Timestamp         `json:"kept_until" doc:"When the finished task and its result are dropped; null until it has finished."`
	ExpiresAt       Timestamp         `json:"expires_at" doc:"When the task expires if no attempt has begun."`
	UniqueUntil     Timestamp         `json:"unique_until" doc:"Until when another task of the same type, queue and payload is refused; null without unique_for."`
	Worker          *string           `json:"worker" doc:"The id of the worker that runs it, or ran it last."`
	Schedule        *tickDocument     `json:"schedule" doc:"The schedule and the tick that the task is for."`
	Callback        *task.Callback    `json:"callback" doc:"The receiver of a POST when the task has finished."`
	CancelRequested bool              `json:"cancel_requested"`
}

type errorDocument struct {
	Message string         `json:"message"`
	Kind    task.ErrorKind `json:"kind" enum:"error,timeout,panic,crashed,permanent"`
}

type progressDocument struct {
	Percent float64 `json:"percent" minimum:"0" maximum:"100"`
	Message string  `json:"message"`
}

type tickDocument struct {
	ID   string    `json:"id"`
	Tick Timestamp `json:"tick"`
}

// TransformSchema marks the fields that can be null, for which there is no struct tag.
func (TaskDocument) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	for _, name := range []string{"error", "progress", "schedule", "callback"} {
		object := s.Properties[name]
		s.Properties[name] = &huma.Schema{
			Description: object.Description,
			AnyOf:       []*huma.Schema{{Ref: object.Ref}, {Type: "null"}},
		}
	}
	s.Properties["metadata"].Nullable = true
	s.Properties["waiting_for"].Enum = []any{task.WaitingForWorker, nil}
	return s
}

// NewTaskDocument returns a task as the API shows it.
func NewTaskDocument(t *task.Task) *TaskDocument {
	d := &TaskDocument{
		ID:              t.ID,
		Type:            t.Type,
		Queue:           t.Queue,
		State:           t.State,
		Payload:         catalog.OrNull(t.Payload),
		Result:          catalog.OrNull(t.Result),
		Attempt:         t.Attempt,
		TotalAttempts:   t.TotalAttempts,
		MaxRetries:      t.MaxRetries,
		Deadline:        Timestamp(t.Deadline),
		Retention:       task.Duration(t.Retention).String(),
		Metadata:        t.Metadata,
		CreatedAt:       Timestamp(t.CreatedAt),
		RunAt:           Timestamp(t.RunAt),
		StartedAt:       Timestamp(t.StartedAt),
		FinishedAt:      Timestamp(t.FinishedAt),
		KeptUntil:       Timestamp(t.KeptUntil),
		ExpiresAt:       Timestamp(t.ExpiresAt),
		UniqueUntil:     Timestamp(t.UniqueUntil()),
		Callback:        t.Callback,
		CancelRequested: t.CancelRequested,
	}
	if t.Timeout > 0 {
		d.Timeout = OrNil(task.Duration(t.Timeout).String())
	}
	if t.WaitingFor != "" {
		d.WaitingFor = &t.WaitingFor
	}
	if t.Worker != "" {
		d.Worker = &t.Worker
	}
	if e := t.Error; e != nil {
		d.Error = &errorDocument{e.Message, e.Kind}
	}
	if p := t.Progress; p != nil {
		d.Progress = &progressDocument{p.Percent, p.Message}
	}
	if s := t.Schedule; s != nil {
		d.Schedule = &tickDocument{s.ScheduleID, Timestamp(s.At)}
	}
	return d
}

// EncodeTask returns the JSON of a task as the API shows it.
func EncodeTask(t *task.Task) ([]byte, error) { return json.Marshal(NewTaskDocument(t)) }

// TaskContent describes the document of a task where huma does not derive it from the handler.
func TaskContent(schemas huma.Registry) map[string]*huma.MediaType {
	schema := schemas.Schema(reflect.TypeFor[TaskDocument](), true, "TaskDocument")
	return map[string]*huma.MediaType{"application/json": {Schema: schema}}
}

// TaskPath returns the path of a task, below the prefix of the API.
func TaskPath(prefix, id string) string { return prefix + "/v1/tasks/" + url.PathEscape(id) }
