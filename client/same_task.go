package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"reflect"
	"time"
)

// enqueuedBefore returns the task that an earlier attempt enqueued, after its answer was lost and a later attempt was
// refused because the id is taken. If a different task has the id, or no task any more, it returns the error refused.
func (c *Client) enqueuedBefore(ctx context.Context, request *TaskRequest, wait time.Duration, refused error) (*Task, error) {
	r := get(taskPath(request.ID), nil)
	if wait = wait.Truncate(time.Second); wait > 0 {
		r.query, r.waits = url.Values{"wait": {Duration(wait).String()}}, wait
	}
	found, err := do[*Task](ctx, c, r)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, refused
	case err != nil:
		return nil, err
	case !request.describes(found):
		return nil, refused
	}
	return found, nil
}

// describes reports whether t is the requested task, as far as the fields of t show it.
func (request *TaskRequest) describes(t *Task) bool {
	return t.ID == request.ID && t.Type == request.Type &&
		(request.Queue == "" || t.Queue == request.Queue) &&
		(request.MaxRetries == nil || t.MaxRetries == *request.MaxRetries) &&
		maps.Equal(t.Metadata, request.Metadata) && samePayload(request.Payload, t.Payload)
}

func samePayload(requested any, actual json.RawMessage) bool {
	data, err := json.Marshal(requested)
	return err == nil && reflect.DeepEqual(decoded(data), decoded(actual))
}

// decoded returns JSON as values that can be compared. A missing payload is the same as an empty object.
func decoded(data []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil || v == nil {
		return map[string]any{}
	}
	return v
}
