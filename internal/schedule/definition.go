package schedule

import (
	"encoding/json"
	"time"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/cron"
	"github.com/backbeat-go/backbeat/task"
)

// Definition is the JSON document of a schedule, in the API and in the configuration file. A field that is absent or null
// has its default.
type Definition struct {
	TriggerDefinition
	Task               TaskTemplate   `json:"task" doc:"The task that each tick enqueues."`
	MisfireGraceTime   *task.Duration `json:"misfire_grace_time,omitempty" doc:"How late a tick may run. A later tick does not run and counts as missed. 1s to 168h; default: 60s."`
	Coalesce           *bool          `json:"coalesce,omitempty" doc:"Run only the newest of several ticks that are due within the grace time; the others count as missed. false: each runs, oldest first. Default: true."`
	MaxInstances       *int           `json:"max_instances,omitempty" minimum:"0" maximum:"1000" doc:"Skip a tick while this many tasks of the schedule are unfinished; 0 = no limit. Default: 1."`
	Jitter             *task.Duration `json:"jitter,omitempty" doc:"Delay each tick by a random time up to this, which is always the same for a tick. At most 24h; default: 0s."`
	MaxRuns            *int64         `json:"max_runs,omitempty" minimum:"1" doc:"End the schedule after this many tasks. Default: no limit."`
	PauseAfterFailures *int           `json:"pause_after_failures,omitempty" minimum:"1" doc:"Pause the schedule after this many failed tasks in a row. Default: never."`
	Paused             *bool          `json:"paused,omitempty" doc:"Do not run until the schedule is resumed. Default: false."`
}

// TriggerDefinition is the trigger of a Definition.
type TriggerDefinition struct {
	Cron     *string        `json:"cron,omitempty" minLength:"1" doc:"A trigger: a cron expression of five fields, or six with seconds first, or @hourly and the like." example:"*/5 9-17 * * mon-fri"`
	Every    *task.Duration `json:"every,omitempty" doc:"A trigger: an interval of at least 1s, counted from start_at or, without it, from one interval after the creation."`
	At       *string        `json:"at,omitempty" format:"date-time" doc:"A trigger: once, at this time." example:"2026-12-01T09:00:00+08:00"`
	Timezone *string        `json:"timezone,omitempty" doc:"The time zone of cron, an IANA name. Default: UTC." example:"Asia/Shanghai"`
	DayMatch *cron.DayMatch `json:"day_match,omitempty" enum:"or,and" doc:"How the day-of-month and day-of-week of cron are combined if both are restricted. Default: or."`
	StartAt  *string        `json:"start_at,omitempty" format:"date-time" doc:"The earliest time of a tick. Default: no bound."`
	EndAt    *string        `json:"end_at,omitempty" format:"date-time" doc:"The latest time of a tick. Default: no bound."`
}

// TaskTemplate is the task of a Definition.
type TaskTemplate struct {
	Type       string            `json:"type" doc:"The task type; GET /v1/task-types lists them." example:"http.request"`
	Payload    json.RawMessage   `json:"payload,omitempty" doc:"The payload. It must be valid by the payload_schema of the type."`
	Queue      *string           `json:"queue,omitempty" doc:"Default: that of the type." example:"default"`
	MaxRetries *int              `json:"max_retries,omitempty" minimum:"0" maximum:"1000" doc:"Default: that of the type."`
	Timeout    *task.Duration    `json:"timeout,omitempty" doc:"Bounds each attempt. Default: that of the type."`
	Retention  *task.Duration    `json:"retention,omitempty" doc:"How long a finished task is kept; at least misfire_grace_time. Default: that of the type, or of the program."`
	Metadata   map[string]string `json:"metadata,omitempty" doc:"Key-value pairs that are stored with each task."`
	Callback   *task.Callback    `json:"callback,omitempty" doc:"The webhook that is notified when a task has finished. Default: none."`
}

var definitions = newForm[Definition]()

// ReadDefinition reads a Definition from JSON and returns the Spec that it asks for, and whether the schedule is to be
// paused. The error has CodeInvalid and names each fault, by its place in the definition. Without types the task is not
// held against its type, which Spec.CheckTask does later. With an error the Spec has at least what could be read of the task.
func ReadDefinition(data []byte, types *catalog.Catalog, now time.Time) (spec Spec, paused bool, err error) {
	d, faults := definitions.read(data)
	spec, wrong := d.spec()
	faults = addFaults(faults, wrong)
	found := append(spec.checkTrigger(), spec.checkRules()...)
	if types != nil {
		found = append(found, spec.CheckTask(types, now)...)
	}
	if faults = addFaults(faults, found); len(faults) > 0 {
		return Spec{Task: spec.Task}, false, invalid(faults)
	}
	return spec, valueOf(d.Paused), nil
}

func (d *Definition) spec() (s Spec, faults []task.ValidationError) {
	s = NewSpec()
	faults = d.set(&s)
	s.Task = d.Task.template()
	setIf(&s.MisfireGraceTime, d.MisfireGraceTime)
	setIf(&s.Coalesce, d.Coalesce)
	setIf(&s.MaxInstances, d.MaxInstances)
	setIf(&s.Jitter, d.Jitter)
	setIf(&s.MaxRuns, d.MaxRuns)
	setIf(&s.PauseAfterFailures, d.PauseAfterFailures)
	return s, faults
}

// Bounds of the years of times. The first tick of a cron expression can be 40 years after start_at, plus a day of jitter, and
// RFC 3339 ends with the year 9999.
const (
	firstYear     = 1970
	lastStartYear = 9900
	lastEndYear   = 9999
)

func (d *TriggerDefinition) set(s *Spec) (faults []task.ValidationError) {
	setIf(&s.Cron, d.Cron)
	setIf(&s.DayMatch, d.DayMatch)
	if d.Timezone != nil && *d.Timezone != "UTC" { // which is the default by another name, and so no other trigger
		s.Timezone = *d.Timezone
	}
	if d.Every != nil && *d.Every == 0 {
		faults = append(faults, task.ValidationError{Location: "every", Message: "must be at least 1s"})
	}
	setIf(&s.Every, d.Every)
	faults = append(faults, setTime(&s.At, d.At, "at", lastStartYear)...)
	faults = append(faults, setTime(&s.StartAt, d.StartAt, "start_at", lastStartYear)...)
	return append(faults, setTime(&s.EndAt, d.EndAt, "end_at", lastEndYear)...)
}

// template makes equal templates of equal definitions: spelled the way in which a store gives them back.
func (t *TaskTemplate) template() Template {
	made := Template{
		Type: t.Type, Queue: valueOf(t.Queue), MaxRetries: t.MaxRetries, Timeout: t.Timeout, Retention: t.Retention,
		Callback: t.Callback,
	}
	if payload, err := json.Marshal(t.Payload); err == nil && string(payload) != "null" {
		made.Payload = payload
	}
	if len(t.Metadata) > 0 {
		made.Metadata = t.Metadata
	}
	return made
}

func setTime(to *time.Time, text *string, location string, lastYear int) []task.ValidationError {
	if text == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339, *text)
	if err != nil {
		return []task.ValidationError{{Location: location, Message: "is not a time such as 2026-12-01T09:00:00+08:00"}}
	}
	t = t.UTC().Truncate(time.Millisecond)
	if y := t.Year(); y < firstYear || y > lastYear {
		return []task.ValidationError{{Location: location, Message: "is before the year 1970 or too far ahead"}}
	}
	*to = t
	return nil
}

func setIf[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func valueOf[T any](p *T) (v T) {
	setIf(&v, p)
	return v
}
