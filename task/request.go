package task

import (
	"encoding/json"
	"time"
)

// Request is what a caller asks for. Only Type is required; nil and zero mean the type's default.
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

// Bounds of a request.
const (
	MaxRetriesLimit = 1000
	MinTimeout      = time.Millisecond
	MaxTimeout      = 7 * 24 * time.Hour
	MaxRetention    = 10 * 365 * 24 * time.Hour
	MaxDelay        = 10 * 365 * 24 * time.Hour
	// ReservedMetadata begins the keys that Backbeat keeps for itself.
	ReservedMetadata = "backbeat-"
)
