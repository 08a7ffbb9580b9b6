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

// taken returns the task that an earlier attempt has enqueued, whose answer was lost, after a later one was refused because
// the id is taken. If another task has the id, or none any more, the error is that of the refusal.
func (c *Client) taken(ctx context.Context, asked *TaskRequest, wait time.Duration, refused error) (*Task, error) {
	r := get(taskPath(asked.ID), nil)
	if wait = wait.Truncate(time.Second); wait > 0 {
		r.query, r.waits = url.Values{"wait": {Duration(wait).String()}}, wait
	}
	found, err := do[*Task](ctx, c, r)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, refused
	case err != nil:
		return nil, err
	case !asked.describes(found):
		return nil, refused
	}
	return found, nil
}

// describes reports whether a task is what was asked for, as far as a task shows it.
func (asked *TaskRequest) describes(t *Task) bool {
	return t.ID == asked.ID && t.Type == asked.Type &&
		(asked.Queue == "" || t.Queue == asked.Queue) &&
		(asked.MaxRetries == nil || t.MaxRetries == *asked.MaxRetries) &&
		maps.Equal(t.Metadata, asked.Metadata) && samePayload(asked.Payload, t.Payload)
}

func samePayload(asked any, has json.RawMessage) bool {
	data, err := json.Marshal(asked)
	return err == nil && reflect.DeepEqual(decoded(data), decoded(has))
}

// decoded returns JSON as values that can be compared. No payload is an empty object to every task.
func decoded(data []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil || v == nil {
		return map[string]any{}
	}
	return v
}
