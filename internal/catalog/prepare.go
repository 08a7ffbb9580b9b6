package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

const (
	maxIDLength     = 255
	maxMetadata     = 64
	maxMetadataSize = 1024 // bytes of a key or a value
)

// Task ids stand in URLs and in Redis keys. An id of only dots would be taken for a relative path.
var idPattern = regexp.MustCompile(`^\.*[A-Za-z0-9_:@+-][A-Za-z0-9._:@+-]*$`)

// Prepare checks a request against its type and returns the task it asks for, with the defaults filled in. A payload that fits
// any of the type's live versions is accepted. An id that the caller left open stays open: the broker gives one, and needs to
// know whose it is. It returns an *Error with CodeInvalid that names each fault.
func (c *Catalog) Prepare(req task.Request, now time.Time) (*task.Task, error) {
	known, ok := c.index.Load().names[req.Type]
	if !ok || known.Internal {
		return nil, task.Invalid(task.ValidationError{Location: "type", Message: fmt.Sprintf("%q is not a known task type; GET /v1/task-types lists them", req.Type)})
	}
	return c.prepare(known, req, now)
}

// PrepareAs is Prepare for a type that the catalog need not have.
func (c *Catalog) PrepareAs(typ *task.Type, req task.Request, now time.Time) (*task.Task, error) {
	return c.prepare(&Known{Type: typ, versions: []*task.Type{typ}}, req, now)
}

func (c *Catalog) prepare(known *Known, req task.Request, now time.Time) (*task.Task, error) {
	if bytes.Equal(bytes.TrimSpace(req.Payload), []byte("null")) {
		req.Payload = nil
	}
	req.Payload = compact(req.Payload)
	typ, payloadFaults := known.version(req.Payload)
	t := c.complete(typ, req, now)
	faults := slices.Concat(
		checkID(req.ID), c.checkQueue(t.Queue), checkLimits(req), checkTimes(req, t, now),
		checkMetadata(req.Metadata), c.checkCallback(req.Callback), payloadFaults)
	if len(faults) > 0 {
		return nil, task.Invalid(faults...)
	}
	return t, nil
}

// Complete fills in the defaults of a request that Prepare has found right before. It reports false if its type is gone
// since.
func (c *Catalog) Complete(req task.Request, now time.Time) (t *task.Task, ok bool) {
	known, ok := c.index.Load().names[req.Type]
	if !ok {
		return nil, false
	}
	typ := known.Type
	if len(known.versions) > 1 {
		typ, _ = known.version(req.Payload)
	}
	return c.complete(typ, req, now), true
}

func (c *Catalog) complete(typ *task.Type, req task.Request, now time.Time) *task.Task {
	t := &task.Task{
		ID:         req.ID,
		Type:       req.Type, // under an alias too: workers of the type's older name may run it as well
		Queue:      req.Queue,
		State:      task.Pending,
		Payload:    req.Payload,
		MaxRetries: valueOr(req.MaxRetries, typ.MaxRetries),
		Timeout:    valueOr(req.Timeout, typ.Timeout),
		Deadline:   req.Deadline,
		Retention:  valueOr(req.Retention, valueOr(typ.Retention, c.retention)),
		UniqueFor:  valueOr(req.UniqueFor, 0),
		Metadata:   req.Metadata,
		Schedule:   req.Schedule,
		Callback:   completeCallback(req.Callback),
		CreatedAt:  now,
		RunAt:      req.RunAt,
		ExpiresAt:  req.ExpiresAt,
	}
	if t.Queue == "" {
		t.Queue = c.QueueOf(typ)
	}
	if req.Delay != nil {
		t.RunAt = now.Add(*req.Delay)
	}
	if t.RunAt.After(now) {
		t.State = task.Scheduled
	} else {
		t.RunAt = now
	}
	return t
}

func checkID(id string) []task.ValidationError {
	if id == "" {
		return nil
	}
	if len(id) > maxIDLength || !idPattern.MatchString(id) {
		return []task.ValidationError{{Location: "id", Message: fmt.Sprintf("must be 1 to %d letters, digits, and . _ : @ + -, and more than dots", maxIDLength)}}
	}
	return nil
}

func (c *Catalog) checkQueue(name string) []task.ValidationError {
	if c.HasQueue(name) {
		return nil
	}
	return []task.ValidationError{{Location: "queue", Message: fmt.Sprintf("%q is not a known queue; there are %q", name, c.queues)}}
}

func checkLimits(req task.Request) (faults []task.ValidationError) {
	if n := req.MaxRetries; n != nil && (*n < 0 || *n > task.MaxRetriesLimit) {
		faults = append(faults, task.ValidationError{Location: "max_retries", Message: fmt.Sprintf("must be 0 to %d", task.MaxRetriesLimit)})
	}
	durations := []struct {
		location string
		value    *time.Duration
		min, max time.Duration
	}{
		{"timeout", req.Timeout, task.MinTimeout, task.MaxTimeout},
		{"retention", req.Retention, 0, task.MaxRetention},
		{"unique_for", req.UniqueFor, time.Millisecond, task.MaxRetention},
		{"delay", req.Delay, 0, task.MaxDelay},
	}
	for _, d := range durations {
		if d.value != nil && (*d.value < d.min || *d.value > d.max) {
			faults = append(faults, task.ValidationError{Location: d.location, Message: fmt.Sprintf("must be %s to %s", task.Duration(d.min), task.Duration(d.max))})
		}
	}
	return faults
}

func checkTimes(req task.Request, t *task.Task, now time.Time) (faults []task.ValidationError) {
	if req.Delay != nil && !req.RunAt.IsZero() {
		faults = append(faults, task.ValidationError{Location: "run_at", Message: "delay and run_at exclude each other"})
	}
	if req.RunAt.After(now.Add(task.MaxDelay)) {
		faults = append(faults, task.ValidationError{Location: "run_at", Message: fmt.Sprintf("must be within %s", task.Duration(task.MaxDelay))})
	}
	limits := []struct {
		location string
		at       time.Time
	}{{"deadline", req.Deadline}, {"expires_at", req.ExpiresAt}}
	for _, l := range limits {
		switch {
		case l.at.IsZero():
		case !l.at.After(now):
			faults = append(faults, task.ValidationError{Location: l.location, Message: "is in the past"})
		case l.at.Before(t.RunAt):
			faults = append(faults, task.ValidationError{Location: l.location, Message: "is before the task may start"})
		case l.at.After(now.Add(2 * task.MaxDelay)):
			faults = append(faults, task.ValidationError{Location: l.location, Message: fmt.Sprintf("must be within %s", task.Duration(2*task.MaxDelay))})
		}
	}
	return faults
}

func checkMetadata(metadata map[string]string) []task.ValidationError {
	if len(metadata) > maxMetadata {
		return []task.ValidationError{{Location: "metadata", Message: fmt.Sprintf("must have at most %d entries", maxMetadata)}}
	}
	for key, value := range metadata {
		if key == "" || len(key) > maxMetadataSize || len(value) > maxMetadataSize {
			return []task.ValidationError{{Location: "metadata", Message: fmt.Sprintf("keys must be 1 to %d bytes and values at most %[1]d", maxMetadataSize)}}
		}
		if strings.HasPrefix(key, task.ReservedMetadata) {
			return []task.ValidationError{{Location: "metadata." + key, Message: "keys that begin with " + task.ReservedMetadata + " are reserved"}}
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
