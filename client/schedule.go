package client

import (
	"encoding/json"
	"time"
)

// Trigger says when a schedule fires. Exactly one of Cron, Every and At is set.
type Trigger struct {
	Cron  string    `json:"cron,omitempty"`
	Every Duration  `json:"every,omitempty"` // at least 1s
	At    time.Time `json:"at,omitzero"`     // once
	// Timezone is the IANA name of the time zone of Cron. Default: UTC.
	Timezone string `json:"timezone,omitempty"`
	// DayMatch combines the day-of-month and day-of-week of Cron if both are restricted: "or" or "and". Default: or.
	DayMatch string `json:"day_match,omitempty"`
	// StartAt and EndAt are the earliest and the latest time of a tick. Default: no bound.
	StartAt time.Time `json:"start_at,omitzero"`
	EndAt   time.Time `json:"end_at,omitzero"`
}

// ScheduleSpec defines a schedule. Only Trigger and Task are required.
type ScheduleSpec struct {
	Trigger
	Task TaskTemplate `json:"task"`
	// MisfireGraceTime is how late a tick may run; a later tick is missed. Default: 60s.
	MisfireGraceTime Duration `json:"misfire_grace_time,omitempty"`
	// Coalesce runs only the newest of several late ticks. Default: true.
	Coalesce *bool `json:"coalesce,omitempty"`
	// MaxInstances skips a tick while this many tasks of the schedule are unfinished; 0 = no limit. Default: 1.
	MaxInstances *int `json:"max_instances,omitempty"`
	// Jitter delays each tick by a random time up to this. Default: none.
	Jitter Duration `json:"jitter,omitempty"`
	// MaxRuns ends the schedule after this many tasks. Default: no limit.
	MaxRuns int64 `json:"max_runs,omitempty"`
	// PauseAfterFailures pauses the schedule after this many failed tasks in a row. Default: never.
	PauseAfterFailures int `json:"pause_after_failures,omitempty"`
	// Paused stops the schedule from running until it is resumed.
	Paused bool `json:"paused,omitempty"`
}

// TaskTemplate is the task that each tick enqueues. Only Type is required. The other defaults are those of the type.
type TaskTemplate struct {
	Type       string            `json:"type"`
	Payload    any               `json:"payload,omitempty"`
	Queue      string            `json:"queue,omitempty"`
	MaxRetries *int              `json:"max_retries,omitempty"`
	Timeout    Duration          `json:"timeout,omitempty"`
	Retention  *Duration         `json:"retention,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Callback   *Webhook          `json:"callback,omitempty"`
}

// Schedule is a schedule at the time of the API's response: its definition, with defaults, and its state.
type Schedule struct {
	ID string `json:"id"`
	Trigger
	Task struct {
		TaskTemplate
		Payload json.RawMessage `json:"payload,omitempty"`
	} `json:"task"`
	MisfireGraceTime   Duration `json:"misfire_grace_time"`
	Coalesce           bool     `json:"coalesce"`
	MaxInstances       int      `json:"max_instances"`
	Jitter             Duration `json:"jitter"`
	MaxRuns            int64    `json:"max_runs,omitempty"`
	PauseAfterFailures int      `json:"pause_after_failures,omitempty"`
	Paused             bool     `json:"paused"`
	// PausedReason is user, failures or invalid; "" if the schedule is not paused.
	PausedReason string `json:"paused_reason,omitempty"`
	// NextRunAt is the time of the next run; zero if there is none or the schedule is paused.
	NextRunAt  time.Time `json:"next_run_at,omitzero"`
	LastRunAt  time.Time `json:"last_run_at,omitzero"`
	LastTaskID string    `json:"last_task_id,omitempty"`
	// LastState is the final state of the last task; "" while a newer task is unfinished.
	LastState State `json:"last_state,omitempty"`
	// RunCount counts the ticks that enqueued a task, MissedCount the ticks that were too late or coalesced into a newer
	// one, and SkippedCount the ticks skipped because of MaxInstances.
	RunCount     int64 `json:"run_count"`
	MissedCount  int64 `json:"missed_count"`
	SkippedCount int64 `json:"skipped_count"`
	// FailureStreak counts the failed tasks since the last success.
	FailureStreak int       `json:"failure_streak"`
	CreatedAt     time.Time `json:"created_at,omitzero"`
	UpdatedAt     time.Time `json:"updated_at,omitzero"`
	// Origin says where the schedule is defined, and must be changed: "api", or "config" for the configuration file.
	Origin string `json:"origin,omitempty"`
	// ETag is the revision, for IfMatch. It is empty in lists.
	ETag string `json:"-"`
}

// ScheduleRun is the outcome of a tick.
type ScheduleRun struct {
	Tick time.Time `json:"tick"`
	// FiredAt is when the task was enqueued; zero if none was.
	FiredAt time.Time `json:"fired_at,omitzero"`
	// LatenessMS is the delay after the tick's time, in milliseconds.
	LatenessMS int64  `json:"lateness_ms"`
	TaskID     string `json:"task_id,omitempty"`
	// Outcome is fired, missed, skipped or triggered.
	Outcome string `json:"outcome"`
	// Reason says why no task was enqueued: grace, coalesced, catch_up, max_instances or paused; "" if one was.
	Reason string `json:"reason,omitempty"`
	// State is the task's state; "" if there is no task or it is no longer kept.
	State State `json:"state,omitempty"`
}
