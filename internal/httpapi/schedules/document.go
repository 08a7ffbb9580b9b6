package schedules

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/cron"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// scheduleDocument is a schedule as the API shows it: its definition, with defaults, and its state. Every field is always
// there, and null where it has no value.
type scheduleDocument struct {
	ID                 string                 `json:"id" example:"hourly-crawl"`
	Cron               *string                `json:"cron" example:"0 2 * * *"`
	Every              *task.Duration         `json:"every"`
	At                 rest.Timestamp         `json:"at"`
	Timezone           string                 `json:"timezone" example:"UTC"`
	DayMatch           cron.DayMatch          `json:"day_match" enum:"or,and"`
	Task               templateDocument       `json:"task"`
	MisfireGraceTime   task.Duration          `json:"misfire_grace_time"`
	Coalesce           bool                   `json:"coalesce"`
	MaxInstances       int                    `json:"max_instances"`
	Jitter             task.Duration          `json:"jitter"`
	StartAt            rest.Timestamp         `json:"start_at"`
	EndAt              rest.Timestamp         `json:"end_at"`
	MaxRuns            *int64                 `json:"max_runs"`
	PauseAfterFailures *int                   `json:"pause_after_failures"`
	Paused             bool                   `json:"paused"`
	PausedReason       *schedule.PausedReason `json:"paused_reason" enum:"user,failures,invalid" doc:"invalid: it cannot run as it is stored, because it cannot be read, or its task type or queue is gone. Replace or delete it."`
	NextRunAt          rest.Timestamp         `json:"next_run_at" doc:"The time of the next run, with jitter; null if there is none, or while it is paused."`
	LastRunAt          rest.Timestamp         `json:"last_run_at" doc:"When its newest task was enqueued."`
	LastTaskID         *string                `json:"last_task_id"`
	LastState          *task.State            `json:"last_state" enum:"succeeded,failed,canceled,expired" doc:"The state of the task that finished last; null while a newer one is unfinished."`
	RunCount           int64                  `json:"run_count" doc:"Ticks that became tasks."`
	MissedCount        int64                  `json:"missed_count" doc:"Ticks that were found too late, or were replaced by a newer one."`
	SkippedCount       int64                  `json:"skipped_count" doc:"Ticks for which max_instances left no room."`
	FailureStreak      int                    `json:"failure_streak" doc:"Failed tasks since the last success."`
	CreatedAt          rest.Timestamp         `json:"created_at"`
	UpdatedAt          rest.Timestamp         `json:"updated_at" doc:"The time of the last change by a caller or the configuration."`
	Origin             *schedule.Origin       `json:"origin" enum:"api,config" doc:"Where it is defined, and so where it can be changed: config is the configuration file."`
}

type templateDocument struct {
	Type       string            `json:"type" example:"http.request"`
	Payload    json.RawMessage   `json:"payload"`
	Queue      *string           `json:"queue" example:"default" doc:"As in all fields here: the value that was put, or else the default of the type; null if the type is gone."`
	MaxRetries *int              `json:"max_retries"`
	Timeout    *task.Duration    `json:"timeout"`
	Retention  *task.Duration    `json:"retention"`
	Metadata   map[string]string `json:"metadata"`
	Callback   *task.Callback    `json:"callback"`
}

// TransformSchema marks the fields that can be null, for which there is no struct tag.
func (scheduleDocument) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return rest.Nullable(s, "every", "paused_reason", "last_state", "origin")
}

// TransformSchema marks the fields that can be null, for which there is no struct tag.
func (templateDocument) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	callback := s.Properties["callback"]
	s.Properties["callback"] = &huma.Schema{AnyOf: []*huma.Schema{{Ref: callback.Ref}, {Type: "null"}}}
	return rest.Nullable(s, "timeout", "retention", "metadata")
}

func (a *API) newScheduleDocument(s *schedule.Schedule) *scheduleDocument {
	d := &scheduleDocument{
		ID:                 s.ID,
		Cron:               rest.OrNil(s.Cron),
		Every:              rest.OrNil(s.Every),
		At:                 rest.Timestamp(s.At),
		Timezone:           s.Timezone,
		DayMatch:           s.DayMatch,
		Task:               a.newTemplateDocument(s),
		MisfireGraceTime:   s.MisfireGraceTime,
		Coalesce:           s.Coalesce,
		MaxInstances:       s.MaxInstances,
		Jitter:             s.Jitter,
		StartAt:            rest.Timestamp(s.StartAt),
		EndAt:              rest.Timestamp(s.EndAt),
		MaxRuns:            rest.OrNil(s.MaxRuns),
		PauseAfterFailures: rest.OrNil(s.PauseAfterFailures),
		Paused:             s.Paused,
		PausedReason:       rest.OrNil(s.PausedReason),
		NextRunAt:          rest.Timestamp(s.Due),
		LastRunAt:          rest.Timestamp(s.LastRunAt),
		LastTaskID:         rest.OrNil(s.LastTaskID),
		LastState:          rest.OrNil(s.LastState),
		RunCount:           s.Runs,
		MissedCount:        s.Missed,
		SkippedCount:       s.Skipped,
		FailureStreak:      s.FailureStreak,
		CreatedAt:          rest.Timestamp(s.CreatedAt),
		UpdatedAt:          rest.Timestamp(s.UpdatedAt),
		Origin:             rest.OrNil(s.Origin),
	}
	if d.Timezone == "" {
		d.Timezone = "UTC"
	}
	if d.DayMatch == "" {
		d.DayMatch = cron.EitherDay
	}
	return d
}

func (a *API) newTemplateDocument(s *schedule.Schedule) templateDocument {
	t := &s.Spec.Task
	d := templateDocument{
		Type: t.Type, Payload: catalog.OrNull(t.Payload), Queue: rest.OrNil(t.Queue), MaxRetries: t.MaxRetries, Timeout: t.Timeout,
		Retention: t.Retention, Metadata: t.Metadata, Callback: t.Callback,
	}
	if made, err := s.Task(a.Types, schedule.Run{}, time.Time{}); err == nil {
		d.Queue, d.MaxRetries = &made.Queue, &made.MaxRetries
		d.Timeout, d.Retention = (*task.Duration)(&made.Timeout), (*task.Duration)(&made.Retention)
		d.Callback = made.Callback
	}
	return d
}

type runDocument struct {
	Tick       rest.Timestamp   `json:"tick" doc:"The time that the trigger gives."`
	FiredAt    rest.Timestamp   `json:"fired_at" doc:"When its task was enqueued; null if none was."`
	LatenessMS int64            `json:"lateness_ms" doc:"How long after its time the tick was found."`
	TaskID     *string          `json:"task_id"`
	Outcome    schedule.Outcome `json:"outcome" enum:"fired,missed,skipped,triggered" doc:"fired: it became a task. missed: it was found too late, or replaced by a newer one. skipped: max_instances left no room. triggered: a caller requested it."`
	Reason     *schedule.Reason `json:"reason" enum:"grace,coalesced,catch_up,max_instances,paused" doc:"The reason why no task was enqueued; null if one was. grace: the tick was found later than misfire_grace_time. coalesced: a newer one replaced it. catch_up: more than 1000 newer ones were due. max_instances: so many tasks were unfinished. paused: the schedule was paused."`
	State      *task.State      `json:"state" enum:"scheduled,aggregating,pending,running,retrying,succeeded,failed,canceled,expired" doc:"The state of the task; null if there is none, or it is gone."`
}

// TransformSchema marks the fields that can be null, for which there is no struct tag.
func (runDocument) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return rest.Nullable(s, "reason", "state")
}

func newRunDocument(r *schedule.Run) runDocument {
	return runDocument{
		Tick:       rest.Timestamp(r.Tick),
		FiredAt:    rest.Timestamp(r.FiredAt),
		LatenessMS: r.Lateness.Milliseconds(),
		TaskID:     rest.OrNil(r.TaskID),
		Outcome:    r.Outcome,
		Reason:     rest.OrNil(r.Reason),
		State:      rest.OrNil(r.State),
	}
}

// zoned is a time in the zone of a schedule, with milliseconds where they are not zero.
type zoned time.Time

// MarshalJSON writes the time with its offset.
func (z zoned) MarshalJSON() ([]byte, error) {
	t := time.Time(z)
	if t.Nanosecond() == 0 {
		return json.Marshal(t.Format(time.RFC3339))
	}
	return json.Marshal(t.Format("2006-01-02T15:04:05.000Z07:00"))
}

// Schema describes the string.
func (zoned) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2026-03-29T03:00:00+02:00"}}
}
