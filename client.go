package backbeat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/enqueue"
	"github.com/backbeat-go/backbeat/internal/startstop"
	"github.com/backbeat-go/backbeat/task"
)

// Client enqueues tasks straight to Redis, and tells how they have ended. It checks requests as the API does, and refuses
// them with the same errors. It is safe for concurrent use. Enqueues that come together go to Redis together.
type Client struct {
	broker *queue.Client
	types  *catalog.Catalog
	learn  *learner // nil where the owner of the catalog keeps it up to date
	life   startstop.Service
}

// closeTimeout bounds Client.Close.
const closeTimeout = 10 * time.Second

var _ client.Enqueuer = (*Client)(nil)

// ClientOption changes how a Client is made.
type ClientOption func(*clientOptions)

type clientOptions = enqueue.Options

// WithQueues sets the queues that tasks may go to. Default: critical, default and low, as in the programs' configuration.
func WithQueues(names ...string) ClientOption {
	return func(o *clientOptions) {
		o.Queues = make(map[string]int, len(names))
		for _, name := range names {
			o.Queues[name] = 1
		}
	}
}

// WithRetention sets how long finished tasks are kept of types that do not say. Default: 24 h.
func WithRetention(d time.Duration) ClientOption { return func(o *clientOptions) { o.Retention = d } }

// WithCallbacks lets requests ask for callbacks, which workers with callback.secrets sign and send.
func WithCallbacks() ClientOption { return func(o *clientOptions) { o.Callbacks = true } }

// WithTypes lets tasks of types be enqueued by their names alone. The generic functions of package client bring the type with
// them and need no such option.
func WithTypes(types ...*task.Type) ClientOption {
	return func(o *clientOptions) { o.Types = append(o.Types, types...) }
}

// NewClient returns a client on a Redis. The connection stays the caller's to close, after Close. It panics on two types of
// one name, and on a type whose queue is not among the queues.
func NewClient(rdb redis.UniversalClient, opts ...ClientOption) *Client {
	o := enqueue.Defaults()
	for _, opt := range opts {
		opt(&o)
	}
	c := &Client{types: o.Catalog}
	if c.types == nil {
		var err error
		if c.types, err = o.NewCatalog(); err != nil {
			panic("backbeat: " + err.Error())
		}
		c.learn = newLearner(rdb, c.types)
	}
	c.broker = queue.NewClient(rdb, queuesOf(o.Queues))
	c.life = startstop.Closer(c.broker.Close)
	return c
}

// Close ends the subscription of those who wait, and waits for what is being enqueued, for 10 s at most. It may be called more than
// once.
func (c *Client) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	c.life.Stop(ctx)
}

// Submit enqueues a task and returns it as it stands; with Wait, as it is when it is over or that time is. Without
// IdempotencyKey it enqueues the task once, however often it is sent to Redis meanwhile. Errors are *client.Error.
func (c *Client) Submit(ctx context.Context, asked client.TaskRequest) (*client.Task, error) {
	r, err := enqueue.Encode(&asked)
	if err != nil {
		return nil, err
	}
	if r.IdempotencyKey != "" {
		return c.submitOnce(ctx, r)
	}
	t, err := c.prepare(ctx, r, c.broker.Now())
	if err != nil {
		return nil, enqueue.Error(err)
	}
	if r.Wait > 0 {
		return answer(c.broker.EnqueueAndWait(ctx, t, r.Wait))
	}
	return answer(t, c.broker.Enqueue(ctx, t))
}

// Enqueue enqueues a task of a type by its name, which WithTypes or a live worker has made known.
func (c *Client) Enqueue(ctx context.Context, typ string, payload any, opts ...client.TaskOption) (*client.Task, error) {
	return c.Submit(ctx, client.NewRequest(typ, payload, opts...))
}

func (c *Client) submitOnce(ctx context.Context, r *enqueue.Request) (*client.Task, error) {
	once, err := r.Idempotency()
	if err != nil {
		return nil, err
	}
	t, _, err := c.broker.EnqueueOnce(ctx, once, func(now time.Time) (*task.Task, error) { return c.prepare(ctx, r, now) }, r.Wait)
	return answer(t, err)
}

// prepare checks a request. One without a definition may be for a type that workers have registered.
func (c *Client) prepare(ctx context.Context, r *enqueue.Request, now time.Time) (*task.Task, error) {
	if r.Definition == nil && c.learn != nil {
		if err := c.learn.look(ctx); err != nil {
			return nil, err
		}
	}
	return r.Prepare(c.types, now)
}

// EnqueueBatch enqueues many tasks in as few round trips as for one. One that is refused does not hinder the others. The
// error is that of the first task that was not enqueued because Redis is away.
func (c *Client) EnqueueBatch(ctx context.Context, requests []client.TaskRequest) ([]client.BatchResult, error) {
	results := make([]client.BatchResult, len(requests))
	var tasks []*task.Task
	var places []int
	now := c.broker.Now()
	for i := range requests {
		r, err := enqueue.Encode(&requests[i])
		if err == nil {
			var t *task.Task
			if t, err = c.prepare(ctx, r, now); err == nil {
				tasks, places = append(tasks, t), append(places, i)
			}
		}
		results[i].Err = enqueue.Error(err)
	}
	var failed error
	for i, err := range c.broker.EnqueueAll(ctx, tasks) {
		one := &results[places[i]]
		if one.Err = enqueue.Error(err); err == nil {
			one.Task = enqueue.Task(tasks[i])
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
			return nil, enqueue.Error(err)
		case t.State.Terminal():
			return enqueue.Task(t), nil
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
	return enqueue.Error(c.broker.Delete(ctx, id))
}

func answer(t *task.Task, err error) (*client.Task, error) {
	if err != nil {
		return nil, enqueue.Error(err)
	}
	return enqueue.Task(t), nil
}
