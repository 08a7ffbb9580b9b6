package httpapi

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/task"
)

// taskDocument is a task as clients see it. Every field is always there; null means none, or not yet.
type taskDocument struct {
	ID              string            `json:"id" example:"019aa4b2-7c1e-7d3a-9f60-5b8f6c1d2e3f" doc:"Identifies the task."`
	Type            string            `json:"type" example:"http.request" doc:"What kind of work it is."`
	Queue           string            `json:"queue" example:"default" doc:"The queue it is in."`
	State           state             `json:"state" doc:"Where it stands. The last four are terminal."`
	Payload         json.RawMessage   `json:"payload" doc:"What it works on."`
	Result          json.RawMessage   `json:"result" doc:"What came of it, once it has succeeded."`
	Error           *failureDocument  `json:"error" doc:"Why its newest attempt failed; null if none did, or if it has succeeded since."`
	Attempt         int               `json:"attempt" example:"1" doc:"The runs begun, the current one included."`
	MaxRetries      int               `json:"max_retries" example:"3" doc:"How often it is tried again after a failure."`
	Progress        *progressDocument `json:"progress" doc:"How far its run has come, if it tells."`
	Metadata        map[string]string `json:"metadata" doc:"What the client noted with it."`
	CreatedAt       *timestamp        `json:"created_at" doc:"When it was handed in; null for a task of a foreign client."`
	RunAt           *timestamp        `json:"run_at" doc:"When it may start, or try again."`
	StartedAt       *timestamp        `json:"started_at" doc:"When its newest attempt began."`
	FinishedAt      *timestamp        `json:"finished_at" doc:"When it reached a terminal state."`
	ExpiresAt       *timestamp        `json:"expires_at" doc:"If it has not been started by then it never is."`
	Worker          *string           `json:"worker" example:"web-1:4711" doc:"The worker that runs it, or ran it last."`
	Schedule        *tickDocument     `json:"schedule" doc:"The schedule that it was made for, if any."`
	CancelRequested bool              `json:"cancel_requested" doc:"Whether somebody has asked to cancel it."`
}

type failureDocument struct {
	Message string         `json:"message" example:"503 Service Unavailable" doc:"What the attempt failed with."`
	Kind    task.ErrorKind `json:"kind" enum:"error,timeout,panic,crashed,permanent" doc:"What kind of failure it was."`
}

type progressDocument struct {
	Percent float64 `json:"percent" minimum:"0" maximum:"100" example:"40" doc:"From 0 to 100."`
	Message string  `json:"message" example:"page 4 of 10" doc:"What it is doing."`
}

type tickDocument struct {
	ID   string    `json:"id" example:"nightly" doc:"The schedule."`
	Tick timestamp `json:"tick" doc:"The instant of the schedule that the task is for."`
}

// TransformSchema says that objects may be null, which struct tags cannot.
func (*taskDocument) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	for _, name := range []string{"error", "progress", "schedule"} {
		ref := s.Properties[name]
		s.Properties[name] = &huma.Schema{Description: ref.Description, AnyOf: []*huma.Schema{{Ref: ref.Ref}, {Type: "null"}}}
	}
	return s
}

func newTaskDocument(t *task.Task) *taskDocument {
	d := &taskDocument{
		ID:              t.ID,
		Type:            t.Type,
		Queue:           t.Queue,
		State:           state(t.State),
		Payload:         t.Payload,
		Result:          t.Result,
		Attempt:         t.Attempt,
		MaxRetries:      t.MaxRetries,
		Metadata:        t.Metadata,
		CreatedAt:       newTimestamp(t.CreatedAt),
		RunAt:           newTimestamp(t.RunAt),
		StartedAt:       newTimestamp(t.StartedAt),
		FinishedAt:      newTimestamp(t.FinishedAt),
		ExpiresAt:       newTimestamp(t.ExpiresAt),
		CancelRequested: t.CancelRequested,
	}
	if t.Error != nil {
		d.Error = &failureDocument{t.Error.Message, t.Error.Kind}
	}
	if t.Progress != nil {
		d.Progress = &progressDocument{t.Progress.Percent, t.Progress.Message}
	}
	if t.Schedule != nil {
		d.Schedule = &tickDocument{t.Schedule.ScheduleID, timestamp(t.Schedule.At)}
	}
	if t.Worker != "" {
		d.Worker = &t.Worker
	}
	return d
}

// state is a task.State that the documentation knows all values of.
type state task.State

// Schema lists the states.
func (state) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Examples: []any{string(task.Pending)}}
	for _, known := range task.States {
		s.Enum = append(s.Enum, string(known))
	}
	return s
}

// timestamp is a time as the API writes it: in UTC, with milliseconds.
type timestamp time.Time

const timestampFormat = "2006-01-02T15:04:05.000Z"

// MarshalJSON writes the time.
func (t timestamp) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Time(t).UTC().Format(timestampFormat))
}

// Schema documents the string.
func (timestamp) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2026-11-21T11:00:00.000Z"}}
}

// newTimestamp returns nil, which JSON shows as null, for the zero time.
func newTimestamp(t time.Time) *timestamp {
	if t.IsZero() {
		return nil
	}
	return (*timestamp)(&t)
}
