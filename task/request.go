package task

import (
	"encoding/json"
	"time"
)

// Request is a request to enqueue a task. Only Type is required; nil and zero mean the type's default.
type Request struct {
	Type       string
	Payload    json.RawMessage
	ID         string
	Queue      string
	MaxRetries *int
	Timeout    *time.Duration
	Deadline   time.Time
	Delay      *time.Duration
	RunAt      time.Time
	ExpiresAt  time.Time
	UniqueFor  *time.Duration
	Retention  *time.Duration
	Metadata   map[string]string
	Schedule   *Tick
	Callback   *Callback
}

// Bounds of the fields of a request.
const (
	MaxRetriesLimit = 1000
	MinTimeout      = time.Millisecond
	MaxTimeout      = 7 * 24 * time.Hour
	MaxRetention    = 10 * 365 * 24 * time.Hour
	MaxDelay        = 10 * 365 * 24 * time.Hour
	// ReservedMetadata is the prefix of the metadata keys that Backbeat reserves for itself.
	ReservedMetadata = "backbeat-"
)
