package tasks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// CallbackDeliver sends the callback of a finished task. It is internal, because callers must not be able to have requests
// of their choice signed; NewCallback returns the request for it.
var CallbackDeliver = define("callback.deliver", (*deps).callbackDeliver,
	task.Describe("Sends the callback of a finished task. Connects to public addresses only, unless http_task.allow_cidrs allows others."),
	task.Internal(), task.Timeout(20*time.Second),
	// The delays are 2.5 s, 5 s, 10 s … on average, up to 4 h: one day in total.
	task.MaxRetries(18), task.Retry(task.Backoff{Base: 5 * time.Second, Cap: 8 * time.Hour}))

// CallbackDeliverIn is the callback to send.
type CallbackDeliverIn struct {
	URL  string          `json:"url"`
	Body json.RawMessage `json:"body" doc:"The body, sent unchanged."`
}

// CallbackDeliverOut is the response.
type CallbackDeliverOut struct {
	Status     int   `json:"status"`
	DurationMS int64 `json:"duration_ms"`
}

// callbackEvent is the body of a callback, in the format of Standard Webhooks.
type callbackEvent struct {
	Type      string          `json:"type"` // task.succeeded and so on
	Timestamp string          `json:"timestamp"`
	Data      json.RawMessage `json:"data"`              // the task
	Omitted   []string        `json:"omitted,omitempty"` // fields of the task that are null because they are too large
}

// MaxCallbackField bounds the payload and the result in a callback, in bytes. It is large enough for the default
// max_response_bytes of http.request. The broker omits larger results too.
const MaxCallbackField = 128 << 10

// NewCallback returns the request for the task that sends the callback of t, a finished task. resultOmitted means that
// t.Result is missing because it is too large. document encodes a task as the API does.
func NewCallback(t *task.Task, resultOmitted bool, document func(*task.Task) ([]byte, error)) (task.Request, error) {
	shown := *t
	event := callbackEvent{
		Type: "task." + string(t.State), Timestamp: t.FinishedAt.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	if len(t.Payload) > MaxCallbackField {
		shown.Payload, event.Omitted = nil, append(event.Omitted, "payload")
	}
	if resultOmitted || len(t.Result) > MaxCallbackField {
		shown.Result, event.Omitted = nil, append(event.Omitted, "result")
	}
	var err error
	if event.Data, err = document(&shown); err != nil {
		return task.Request{}, fmt.Errorf("encode task %s: %w", t.ID, err)
	}
	body, err := json.Marshal(event)
	if err != nil {
		return task.Request{}, fmt.Errorf("encode the callback of task %s: %w", t.ID, err)
	}
	return CallbackDeliver.Request(CallbackDeliverIn{URL: t.Callback.URL, Body: body})
}

func (d *deps) callbackDeliver(ctx context.Context, in CallbackDeliverIn) (CallbackDeliverOut, error) {
	if len(d.callbacks) == 0 {
		return CallbackDeliverOut{}, errors.New("no secret to sign callbacks: set callback.secrets (BACKBEAT_CALLBACK_SECRETS) on the workers")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, in.URL, bytes.NewReader(in.Body))
	if err != nil {
		return CallbackDeliverOut{}, task.Permanent(errors.New("url is invalid"))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", userAgent)
	start := time.Now()
	// The task's ID is the same for all attempts, so that receivers can recognize duplicates.
	d.callbacks.sign(req.Header, task.Info(ctx).ID, start, in.Body)
	client := http.Client{Transport: d.http, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the signature is for this URL's host only
	}}
	res, err := client.Do(req)
	if err != nil {
		return CallbackDeliverOut{}, callError(err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusGone:
		return CallbackDeliverOut{}, task.Permanent(responseError(res))
	case res.StatusCode < 200 || res.StatusCode > 299:
		return CallbackDeliverOut{}, retryable(res)
	}
	_ = excerpt(res) // so that the connection can be reused
	return CallbackDeliverOut{res.StatusCode, time.Since(start).Milliseconds()}, nil
}
