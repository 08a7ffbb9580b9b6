package schedule

import (
	"encoding/json"
	"time"

	"github.com/backbeat-go/backbeat/internal/cron"
	"github.com/backbeat-go/backbeat/task"
)

// Spec is what somebody asks for: one trigger, a task, and what becomes of ticks that cannot run in time. Its JSON is
// how it is stored.
type Spec struct {
	// Cron, Every or At is the trigger, and the others are zero.
	Cron  string        `json:"cron,omitempty"`
	Every task.Duration `json:"every,omitempty"`
	At    time.Time     `json:"at,omitzero"`
	// Timezone is that of Cron, an IANA name; "" is UTC.
	Timezone string `json:"timezone,omitempty"`
	// DayMatch is how day-of-month and day-of-week of Cron go together; "" is cron.EitherDay.
	DayMatch cron.DayMatch `json:"day_match,omitempty"`

	Task Template `json:"task"`

	// MisfireGraceTime is how late a tick may run; one that is found later counts as missed.
	MisfireGraceTime task.Duration `json:"misfire_grace_time"`
	// Coalesce lets only the newest of several due ticks run.
	Coalesce bool `json:"coalesce"`
	// MaxInstances is with how many unfinished tasks a tick is skipped; 0 = no limit.
	MaxInstances int `json:"max_instances"`
	// Jitter puts each tick off by up to so much, always the same for a tick.
	Jitter task.Duration `json:"jitter"`
	// StartAt and EndAt bound the ticks, both included; zero = no bound.
	StartAt time.Time `json:"start_at,omitzero"`
	EndAt   time.Time `json:"end_at,omitzero"`
	// MaxRuns ends the schedule after so many tasks; 0 = never.
	MaxRuns int64 `json:"max_runs,omitempty"`
	// PauseAfterFailures pauses the schedule after so many failed tasks in a row; 0 = never.
	PauseAfterFailures int `json:"pause_after_failures,omitempty"`
}

// Template is the task of each tick. Nil means the task type's default.
type Template struct {
	Type       string            `json:"type"`
	Payload    json.RawMessage   `json:"payload,omitempty"`
	Queue      string            `json:"queue,omitempty"`
	MaxRetries *int              `json:"max_retries,omitempty"`
	Timeout    *task.Duration    `json:"timeout,omitempty"`
	Retention  *task.Duration    `json:"retention,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Callback   *task.Callback    `json:"callback,omitempty"`
}

// Defaults of a Spec.
const (
	DefaultMisfireGraceTime = time.Minute
	DefaultMaxInstances     = 1
)

// NewSpec returns a Spec with the defaults, which lacks a trigger and a task.
func NewSpec() Spec {
	return Spec{
		MisfireGraceTime: task.Duration(DefaultMisfireGraceTime),
		Coalesce:         true,
		MaxInstances:     DefaultMaxInstances,
	}
}

// TriggerText describes the trigger in a few words.
func (s *Spec) TriggerText() string {
	switch {
	case s.Cron == "":
		return s.everyText()
	case s.Timezone == "":
		return s.Cron
	default:
		return s.Cron + " " + s.Timezone
	}
}

func (s *Spec) everyText() string {
	if s.Every != 0 {
		return "every " + s.Every.String()
	}
	return "at " + s.At.Format(time.RFC3339)
}

// request is the request for the task of a tick.
func (t *Template) request(id string, tick *task.Tick) task.Request {
	return task.Request{
		Type:       t.Type,
		Payload:    t.Payload,
		ID:         id,
		Queue:      t.Queue,
		MaxRetries: t.MaxRetries,
		Timeout:    (*time.Duration)(t.Timeout),
		Retention:  (*time.Duration)(t.Retention),
		Metadata:   t.Metadata,
		Callback:   t.Callback,
		Schedule:   tick,
	}
}
