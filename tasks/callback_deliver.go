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

// CallbackDeliver tells a callback how a task has ended. NewCallback asks for it, and nobody else can: callers must not
// have a request of their choice signed.
var CallbackDeliver = define("callback.deliver", (*deps).callbackDeliver,
	task.Describe("Tells a callback how a task has ended. Reaches public addresses only, unless http_task.allow_cidrs says otherwise."),
	task.Internal(), task.Timeout(20*time.Second),
	// Waits of 2.5 s, 5 s, 10 s … on average, and of 4 h at last: a day in all.
	task.MaxRetries(18), task.Retry(task.Backoff{Base: 5 * time.Second, Cap: 8 * time.Hour}))

// CallbackDeliverIn is what goes where.
type CallbackDeliverIn struct {
	URL  string          `json:"url"`
	Body json.RawMessage `json:"body" doc:"What is sent, to the letter."`
}

// CallbackDeliverOut is how it was taken.
type CallbackDeliverOut struct {
	Status     int   `json:"status"`
	DurationMS int64 `json:"duration_ms"`
}

// callbackEvent is the body of a callback, in the shape that Standard Webhooks gives it.
type callbackEvent struct {
	Type      string          `json:"type"` // task.succeeded and so on
	Timestamp string          `json:"timestamp"`
	Data      json.RawMessage `json:"data"`              // the task
	Omitted   []string        `json:"omitted,omitempty"` // fields of the task that are too large, and null in its place
}

// MaxCallbackField bounds the payload and the result of the task that a callback tells of, in bytes. What http.request
// keeps of an answer by default has room. The broker leaves out larger results too.
const MaxCallbackField = 128 << 10

// NewCallback asks for the task that tells the callback of t, which has ended, how. resultOmitted says that its result is not there because it is too large. document writes a task as the API
// shows it.
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
		return task.Request{}, fmt.Errorf("show task %s: %w", t.ID, err)
	}
	body, err := json.Marshal(event)
	if err != nil {
		return task.Request{}, fmt.Errorf("encode the callback of task %s: %w", t.ID, err)
	}
	return CallbackDeliver.Request(CallbackDeliverIn{URL: t.Callback.URL, Body: body})
}

func (d *deps) callbackDeliver(ctx context.Context, in CallbackDeliverIn) (CallbackDeliverOut, error) {
	if len(d.callbacks) == 0 {
		return CallbackDeliverOut{}, errors.New("there is nothing to sign it with: set callback.secrets (BACKBEAT_CALLBACK_SECRETS) on the workers")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, in.URL, bytes.NewReader(in.Body))
	if err != nil {
		return CallbackDeliverOut{}, task.Permanent(errors.New("url cannot be called"))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", userAgent)
	start := time.Now()
	// The task's id stays the same however often it is tried, so receivers know what they have had.
	d.callbacks.sign(req.Header, task.Info(ctx).ID, start, in.Body)
	client := http.Client{Transport: d.http, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // what is signed is for whom it was signed
	}}
	res, err := client.Do(req)
	if err != nil {
		return CallbackDeliverOut{}, callError(err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusGone:
		return CallbackDeliverOut{}, task.Permanent(answered(res))
	case res.StatusCode < 200 || res.StatusCode > 299:
		return CallbackDeliverOut{}, tryLater(res)
	}
	_ = excerpt(res) // so that the connection can be used again
	return CallbackDeliverOut{res.StatusCode, time.Since(start).Milliseconds()}, nil
}
