package client

import (
	"encoding/json"
	"time"
)

// Trigger says when a schedule fires: exactly one of Cron, Every and At.
type Trigger struct {
	Cron  string    `json:"cron,omitempty"`
	Every Duration  `json:"every,omitempty"` // 1s at least
	At    time.Time `json:"at,omitzero"`     // once
	// Timezone is that of Cron, an IANA name. Default: UTC.
	Timezone string `json:"timezone,omitempty"`
	// DayMatch is how day-of-month and day-of-week of Cron go together where both are restricted: "or" or "and". Default: or.
	DayMatch string `json:"day_match,omitempty"`
	// StartAt and EndAt are the first and the last instant that may be a tick. Default: no bound.
	StartAt time.Time `json:"start_at,omitzero"`
	EndAt   time.Time `json:"end_at,omitzero"`
}

// ScheduleSpec is a schedule as you write it down. The zero value of every field but Trigger and Task is the default.
type ScheduleSpec struct {
	Trigger
	Task TaskTemplate `json:"task"`
	// MisfireGraceTime is how late a tick may run. Default: 60s.
	MisfireGraceTime Duration `json:"misfire_grace_time,omitempty"`
	// Coalesce lets only the newest of several owed ticks run. Default: true.
	Coalesce *bool `json:"coalesce,omitempty"`
	// MaxInstances is with how many unfinished tasks a tick is skipped; 0 = no limit. Default: 1.
	MaxInstances *int `json:"max_instances,omitempty"`
	// Jitter puts each tick off by up to so much. Default: none.
	Jitter Duration `json:"jitter,omitempty"`
	// MaxRuns ends the schedule after so many tasks. Default: never.
	MaxRuns int64 `json:"max_runs,omitempty"`
	// PauseAfterFailures pauses the schedule after so many failed tasks in a row. Default: never.
	PauseAfterFailures int `json:"pause_after_failures,omitempty"`
	// Paused lets it not run until somebody resumes it.
	Paused bool `json:"paused,omitempty"`
}

// TaskTemplate is the task that each tick makes. The zero value of every field but Type leaves it to the type.
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

// Schedule is a schedule as it stood when the API answered: what was put, with its defaults, and how far it has come.
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
	// PausedReason is user, failures or invalid; "" unless it is paused.
	PausedReason string `json:"paused_reason,omitempty"`
	// NextRunAt is when it runs next; zero if it never does, or is paused.
	NextRunAt  time.Time `json:"next_run_at,omitzero"`
	LastRunAt  time.Time `json:"last_run_at,omitzero"`
	LastTaskID string    `json:"last_task_id,omitempty"`
	// LastState is how the task that ended last did so; "" while a newer one has not ended.
	LastState State `json:"last_state,omitempty"`
	// RunCount counts the ticks that became tasks, MissedCount those that were found too late or had a newer one run in
	// their place, and SkippedCount those for which MaxInstances left no room.
	RunCount     int64 `json:"run_count"`
	MissedCount  int64 `json:"missed_count"`
	SkippedCount int64 `json:"skipped_count"`
	// FailureStreak counts the failed tasks since the last that succeeded.
	FailureStreak int       `json:"failure_streak"`
	CreatedAt     time.Time `json:"created_at,omitzero"`
	UpdatedAt     time.Time `json:"updated_at,omitzero"`
	// Origin is where it was written down, and so where it can be changed: api, or config for the configuration file.
	Origin string `json:"origin,omitempty"`
	// ETag is the revision, for IfMatch. Lists leave it empty.
	ETag string `json:"-"`
}

// ScheduleRun is what became of a tick.
type ScheduleRun struct {
	Tick time.Time `json:"tick"`
	// FiredAt is when its task was made; zero if none was.
	FiredAt time.Time `json:"fired_at,omitzero"`
	// LatenessMS is how many milliseconds after its time the tick was found.
	LatenessMS int64  `json:"lateness_ms"`
	TaskID     string `json:"task_id,omitempty"`
	// Outcome is fired, missed, skipped or triggered.
	Outcome string `json:"outcome"`
	// Reason is why no task was made: grace, coalesced, catch_up, max_instances or paused; "" if one was.
	Reason string `json:"reason,omitempty"`
	// State is that of the task; "" if there is none, or not any more.
	State State `json:"state,omitempty"`
}
