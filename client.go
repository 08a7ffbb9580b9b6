package backbeat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/internal/broker"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// defaultQueues are those of the programs' configuration.
var defaultQueues = map[string]int{"critical": 6, "default": 3, "low": 1}

// defaultRetention is that of the programs' configuration.
const defaultRetention = 24 * time.Hour

// Client enqueues tasks straight to Redis, and tells how they have ended. It checks requests as the API does, and refuses
// them with the same errors. It is safe for concurrent use. Enqueues that come together go to Redis together.
type Client struct {
	broker *broker.Client
	types  *catalog.Catalog
}

var _ client.Enqueuer = (*Client)(nil)

// ClientOption changes how a Client is made.
type ClientOption func(*clientOptions)

type clientOptions struct {
	queues    map[string]int
	retention time.Duration
	callbacks bool
	types     []*task.Type
}

// WithQueues sets the queues that tasks may go to. Default: critical, default and low, as in the programs' configuration.
func WithQueues(names ...string) ClientOption {
	return func(o *clientOptions) {
		o.queues = make(map[string]int, len(names))
		for _, name := range names {
			o.queues[name] = 1
		}
	}
}

// WithRetention sets how long finished tasks are kept of types that do not say. Default: 24 h.
func WithRetention(d time.Duration) ClientOption { return func(o *clientOptions) { o.retention = d } }

// WithCallbacks lets requests ask for callbacks, which workers with callback.secrets sign and send.
func WithCallbacks() ClientOption { return func(o *clientOptions) { o.callbacks = true } }

// WithTypes lets tasks of types be enqueued by their names alone. The generic functions of package client bring the type with
// them and need no such option.
func WithTypes(types ...*task.Type) ClientOption {
	return func(o *clientOptions) { o.types = append(o.types, types...) }
}

// NewClient returns a client on a Redis. The connection stays the caller's to close, after Close. It panics on two types of
// one name, and on a type whose queue is not among the queues.
func NewClient(rdb redis.UniversalClient, opts ...ClientOption) *Client {
	o := clientOptions{queues: defaultQueues, retention: defaultRetention}
	for _, opt := range opts {
		opt(&o)
	}
	queues := queuesOf(o.queues)
	names := make([]string, len(queues))
	for i, q := range queues {
		names[i] = q.Name
	}
	types := catalog.New(names, o.retention)
	if o.callbacks {
		types.AllowCallbacks()
	}
	if err := types.Add(o.types...); err != nil {
		panic("backbeat: " + err.Error())
	}
	return &Client{broker.NewClient(rdb, queues), types}
}

// Close ends the subscription of those who wait, and waits for what is being enqueued.
func (c *Client) Close() { c.broker.Close() }

// Submit enqueues a task and returns it as it stands; with Wait, as it is when it is over or that time is. Without
// IdempotencyKey it enqueues the task once, however often it is sent to Redis meanwhile. Errors are *client.Error.
func (c *Client) Submit(ctx context.Context, r client.TaskRequest) (*client.Task, error) {
	payload, err := encode(&r)
	if err != nil {
		return nil, err
	}
	if r.IdempotencyKey != "" {
		return c.submitOnce(ctx, &r, payload)
	}
	t, err := c.prepare(&r, payload, c.broker.Now())
	if err != nil {
		return nil, toError(err)
	}
	if r.Wait > 0 {
		if t, err = c.broker.EnqueueAndWait(ctx, t, r.Wait); err != nil {
			return nil, toError(err)
		}
		return toTask(t), nil
	}
	if err := c.broker.Enqueue(ctx, t); err != nil {
		return nil, toError(err)
	}
	return toTask(t), nil
}

// Enqueue enqueues a task of a type by its name, which WithTypes or a live worker has made known.
func (c *Client) Enqueue(ctx context.Context, typ string, payload any, opts ...client.TaskOption) (*client.Task, error) {
	return c.Submit(ctx, client.NewRequest(typ, payload, opts...))
}

func (c *Client) submitOnce(ctx context.Context, r *client.TaskRequest, payload []byte) (*client.Task, error) {
	request, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	t, _, err := c.broker.EnqueueOnce(ctx, catalog.Idempotency{Key: r.IdempotencyKey, Request: request},
		func(now time.Time) (*task.Task, error) { return c.prepare(r, payload, now) }, r.Wait)
	if err != nil {
		return nil, toError(err)
	}
	return toTask(t), nil
}

// EnqueueBatch enqueues many tasks in as few round trips as for one. One that is refused does not hinder the others. The
// error is that of the first task that was not enqueued because Redis is away.
func (c *Client) EnqueueBatch(ctx context.Context, requests []client.TaskRequest) ([]client.BatchResult, error) {
	results := make([]client.BatchResult, len(requests))
	var tasks []*task.Task
	var places []int
	now := c.broker.Now()
	for i := range requests {
		payload, err := encode(&requests[i])
		if err == nil {
			var t *task.Task
			if t, err = c.prepare(&requests[i], payload, now); err == nil {
				tasks, places = append(tasks, t), append(places, i)
			}
		}
		results[i].Err = toError(err)
	}
	var failed error
	for i, err := range c.broker.EnqueueAll(ctx, tasks) {
		one := &results[places[i]]
		if one.Err = toError(err); err == nil {
			one.Task = toTask(tasks[i])
		} else if failed == nil && errors.Is(one.Err, client.ErrUnavailable) {
			failed = one.Err
		}
	}
	return results, failed
}

// Task returns a task. One that is not there, or not any more: client.ErrNotFound.
func (c *Client) Task(ctx context.Context, id string) (*client.Task, error) {
	return answer(c.broker.Get(ctx, id))
}

// Wait waits until the task is over, however long that takes, and returns it. If ctx ends first, the error is ctx's, and the
// task goes on.
func (c *Client) Wait(ctx context.Context, id string) (*client.Task, error) {
	for {
		t, err := c.broker.Wait(ctx, id)
		switch {
		case ctx.Err() != nil && (err != nil || !t.State.Terminal()):
			return nil, fmt.Errorf("wait for task %s: %w", id, ctx.Err())
		case err != nil:
			return nil, toError(err)
		case t.State.Terminal():
			return toTask(t), nil
		}
	}
}

// Cancel ends a task that is not over: at once if it does not run; else its context ends, and it ends as canceled. A task
// that is over and was not canceled: client.ErrConflict.
func (c *Client) Cancel(ctx context.Context, id string) (*client.Task, error) {
	return answer(c.broker.Cancel(ctx, id))
}

// Retry puts a failed, canceled or expired task back into its queue, with all its retries. A task in another state:
// client.ErrConflict.
func (c *Client) Retry(ctx context.Context, id string) (*client.Task, error) {
	return answer(c.broker.Retry(ctx, id))
}

// RunNow lets a scheduled or retrying task start at once. A task in another state: client.ErrConflict.
func (c *Client) RunNow(ctx context.Context, id string) (*client.Task, error) {
	return answer(c.broker.Run(ctx, id))
}

// Delete removes a task and its result. A running task: client.ErrConflict; cancel it first.
func (c *Client) Delete(ctx context.Context, id string) error {
	return toError(c.broker.Delete(ctx, id))
}

func answer(t *task.Task, err error) (*client.Task, error) {
	if err != nil {
		return nil, toError(err)
	}
	return toTask(t), nil
}

// prepare checks a request against its type, and returns the task that it asks for.
func (c *Client) prepare(r *client.TaskRequest, payload []byte, now time.Time) (*task.Task, error) {
	asked := task.Request{
		Type: r.Type, Payload: payload, ID: r.ID, Queue: r.Queue, MaxRetries: r.MaxRetries, Deadline: r.Deadline,
		RunAt: r.RunAt, ExpiresAt: r.ExpiresAt, Metadata: r.Metadata,
		Timeout: optional(r.Timeout), Delay: optional(r.Delay), UniqueFor: optional(r.UniqueFor),
	}
	if r.Retention != nil {
		asked.Retention = (*time.Duration)(r.Retention)
	}
	if r.Callback != nil {
		asked.Callback = &task.Callback{URL: r.Callback.URL, Events: r.Callback.Events}
	}
	if r.Definition != nil {
		return c.types.PrepareAs(r.Definition, asked, now)
	}
	return c.types.Prepare(asked, now)
}

func optional(d client.Duration) *time.Duration {
	if d == 0 {
		return nil
	}
	return (*time.Duration)(&d)
}

func encode(r *client.TaskRequest) ([]byte, error) {
	if r.Payload == nil {
		return nil, nil
	}
	payload, err := json.Marshal(r.Payload)
	if err != nil {
		return nil, fmt.Errorf("encode the payload of %s: %w", r.Type, err)
	}
	return payload, nil
}

// statuses are what the API answers.
var statuses = map[task.Code]int{
	task.CodeInvalid:     http.StatusUnprocessableEntity,
	task.CodeNotFound:    http.StatusNotFound,
	task.CodeConflict:    http.StatusConflict,
	task.CodeUnavailable: http.StatusServiceUnavailable,
}

// toError makes a *client.Error of an error with a code.
func toError(err error) error {
	if errors.Is(err, catalog.ErrKeyReused) {
		return &client.Error{Status: http.StatusUnprocessableEntity, Title: http.StatusText(http.StatusUnprocessableEntity), Detail: err.Error()}
	}
	e, ok := errors.AsType[*task.Error](err)
	if !ok {
		return err
	}
	status := statuses[e.Code]
	made := &client.Error{Status: status, Title: http.StatusText(status), Detail: e.Message, Cause: e.Cause}
	for _, f := range e.Faults {
		made.Faults = append(made.Faults, client.Fault{Location: "body." + f.Location, Message: f.Message})
	}
	return made
}

// toTask shows a task as the API does.
func toTask(t *task.Task) *client.Task {
	shown := &client.Task{
		ID: t.ID, Type: t.Type, Queue: t.Queue, State: t.State, Payload: t.Payload, Result: t.Result,
		Attempt: t.Attempt, TotalAttempts: t.TotalAttempts, MaxRetries: t.MaxRetries,
		Timeout: client.Duration(t.Timeout), Deadline: t.Deadline, Retention: client.Duration(t.Retention), KeptUntil: t.KeptUntil,
		Metadata: t.Metadata, CreatedAt: t.CreatedAt, RunAt: t.RunAt, StartedAt: t.StartedAt, FinishedAt: t.FinishedAt,
		ExpiresAt: t.ExpiresAt, UniqueUntil: t.UniqueUntil(), Worker: t.Worker, CancelRequested: t.CancelRequested,
	}
	if e := t.Error; e != nil {
		shown.Error = &client.Failure{Message: e.Message, Kind: e.Kind}
	}
	if p := t.Progress; p != nil {
		shown.Progress = &client.Progress{Percent: p.Percent, Message: p.Message}
	}
	if s := t.Schedule; s != nil {
		shown.Schedule = &client.Tick{ScheduleID: s.ScheduleID, Tick: s.At}
	}
	if cb := t.Callback; cb != nil {
		shown.Callback = &client.Webhook{URL: cb.URL, Events: cb.Events}
	}
	return shown
}
