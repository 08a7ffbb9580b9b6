package task

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
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

	maxIDLength     = 255
	maxMetadata     = 64
	maxMetadataSize = 1024 // bytes of a key or a value
)

// Task ids stand in URLs and in Redis keys. An id of only dots would be taken for a relative path.
var idPattern = regexp.MustCompile(`^\.*[A-Za-z0-9_:@+-][A-Za-z0-9._:@+-]*$`)

// Prepare checks a request against its type and returns the task it asks for, with the defaults filled
// in. An id that the caller left open stays open: the broker gives one, and needs to know whose it is. It
// returns an *Error with CodeInvalid that names each fault.
func (r *Registry) Prepare(req Request, now time.Time) (*Task, error) {
	t, ok := r.types[req.Type]
	if !ok || t.Internal {
		return nil, Invalid(Fault{"type", fmt.Sprintf("%q is not a known task type; GET /v1/task-types lists them", req.Type)})
	}
	if bytes.Equal(bytes.TrimSpace(req.Payload), []byte("null")) {
		req.Payload = nil
	}
	req.Payload = compact(req.Payload)
	task := r.complete(t, req, now)
	faults := slices.Concat(
		checkID(req.ID), r.checkQueue(task.Queue), checkLimits(req), checkTimes(req, task, now),
		checkMetadata(req.Metadata), r.checkCallback(req.Callback), t.Validate(req.Payload))
	if len(faults) > 0 {
		return nil, Invalid(faults...)
	}
	return task, nil
}

// Complete fills in the defaults of a request that Prepare has found right before. It reports false if its type is gone
// since.
func (r *Registry) Complete(req Request, now time.Time) (t *Task, ok bool) {
	typ, ok := r.types[req.Type]
	if !ok {
		return nil, false
	}
	return r.complete(typ, req, now), true
}

func (r *Registry) complete(t *Type, req Request, now time.Time) *Task {
	task := &Task{
		ID:         req.ID,
		Type:       t.Name,
		Queue:      req.Queue,
		State:      Pending,
		Payload:    req.Payload,
		MaxRetries: valueOr(req.MaxRetries, t.MaxRetries),
		Timeout:    valueOr(req.Timeout, t.Timeout),
		Deadline:   req.Deadline,
		Retention:  valueOr(req.Retention, valueOr(t.Retention, r.retention)),
		UniqueFor:  valueOr(req.UniqueFor, 0),
		Metadata:   req.Metadata,
		Schedule:   req.Schedule,
		Callback:   req.Callback.complete(),
		CreatedAt:  now,
		RunAt:      req.RunAt,
		ExpiresAt:  req.ExpiresAt,
	}
	if task.Queue == "" {
		task.Queue = r.QueueOf(t)
	}
	if req.Delay != nil {
		task.RunAt = now.Add(*req.Delay)
	}
	if task.RunAt.After(now) {
		task.State = Scheduled
	} else {
		task.RunAt = now
	}
	return task
}

func checkID(id string) []Fault {
	if id == "" {
		return nil
	}
	if len(id) > maxIDLength || !idPattern.MatchString(id) {
		return []Fault{{"id", fmt.Sprintf("must be 1 to %d letters, digits, and . _ : @ + -, and more than dots", maxIDLength)}}
	}
	return nil
}

func (r *Registry) checkQueue(name string) []Fault {
	if r.HasQueue(name) {
		return nil
	}
	return []Fault{{"queue", fmt.Sprintf("%q is not a known queue; there are %q", name, r.queues)}}
}

func checkLimits(req Request) (faults []Fault) {
	if n := req.MaxRetries; n != nil && (*n < 0 || *n > MaxRetriesLimit) {
		faults = append(faults, Fault{"max_retries", fmt.Sprintf("must be 0 to %d", MaxRetriesLimit)})
	}
	durations := []struct {
		location string
		value    *time.Duration
		min, max time.Duration
	}{
		{"timeout", req.Timeout, MinTimeout, MaxTimeout},
		{"retention", req.Retention, 0, MaxRetention},
		{"unique_for", req.UniqueFor, time.Millisecond, MaxRetention},
		{"delay", req.Delay, 0, MaxDelay},
	}
	for _, d := range durations {
		if d.value != nil && (*d.value < d.min || *d.value > d.max) {
			faults = append(faults, Fault{d.location, fmt.Sprintf("must be %s to %s", Duration(d.min), Duration(d.max))})
		}
	}
	return faults
}

func checkTimes(req Request, task *Task, now time.Time) (faults []Fault) {
	if req.Delay != nil && !req.RunAt.IsZero() {
		faults = append(faults, Fault{"run_at", "delay and run_at exclude each other"})
	}
	if req.RunAt.After(now.Add(MaxDelay)) {
		faults = append(faults, Fault{"run_at", fmt.Sprintf("must be within %s", Duration(MaxDelay))})
	}
	limits := []struct {
		location string
		at       time.Time
	}{{"deadline", req.Deadline}, {"expires_at", req.ExpiresAt}}
	for _, l := range limits {
		switch {
		case l.at.IsZero():
		case !l.at.After(now):
			faults = append(faults, Fault{l.location, "is in the past"})
		case l.at.Before(task.RunAt):
			faults = append(faults, Fault{l.location, "is before the task may start"})
		case l.at.After(now.Add(2 * MaxDelay)):
			faults = append(faults, Fault{l.location, fmt.Sprintf("must be within %s", Duration(2*MaxDelay))})
		}
	}
	return faults
}

func checkMetadata(metadata map[string]string) []Fault {
	if len(metadata) > maxMetadata {
		return []Fault{{"metadata", fmt.Sprintf("must have at most %d entries", maxMetadata)}}
	}
	for key, value := range metadata {
		if key == "" || len(key) > maxMetadataSize || len(value) > maxMetadataSize {
			return []Fault{{"metadata", fmt.Sprintf("keys must be 1 to %d bytes and values at most %[1]d", maxMetadataSize)}}
		}
		if strings.HasPrefix(key, ReservedMetadata) {
			return []Fault{{"metadata." + key, "keys that begin with " + ReservedMetadata + " are reserved"}}
		}
	}
	return nil
}

func compact(payload json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if len(payload) == 0 || json.Compact(&b, payload) != nil {
		return payload // validate tells what is wrong with it
	}
	return b.Bytes()
}

func valueOr[T any](v *T, def T) T {
	if v == nil {
		return def
	}
	return *v
}
