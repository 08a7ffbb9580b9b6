// Package ticks is the beat leader's access to the queues: it enqueues ticks, reads the ends of their tasks, and writes the
// schedules for asynq's tools.
package ticks

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/notifier"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// Client is the client of a beat leader. The methods that take a term are fenced by it: once a later leader has called Fence,
// they change nothing and return schedule.ErrDeposed.
type Client struct {
	*queue.Client
	rdb           redis.UniversalClient
	schedulersKey string // the list of schedules that asynq's tools read
}

// New returns a Client of a leader, on the connection of client.
func New(rdb redis.UniversalClient, client *queue.Client) *Client {
	return &Client{client, rdb, newSchedulersKey()}
}

// Fence fences off the leaders of earlier terms in all queues. Errors: schedule.ErrDeposed, CodeUnavailable.
func (c *Client) Fence(ctx context.Context, term int64) error {
	return c.inAllQueues(ctx, func(queue string) error { return script.Fence(ctx, c.rdb, queue, term) })
}

// Encode returns the asynq message of a task.
func (c *Client) Encode(t *task.Task) []byte { return wire.NewMessage(t).Encode() }

// EnqueueTicks enqueues the tasks of a batch of ticks. Until Acked is called with the batch, repeated calls enqueue each task
// once. The queues must have been fenced with the term. Errors: schedule.ErrDeposed, CodeUnavailable; after the latter some
// queues may have their tasks.
func (c *Client) EnqueueTicks(ctx context.Context, term int64, batch *schedule.Batch) error {
	var failed error
	for queue, entries := range byQueue(batch.Entries) {
		c.Announce(ctx, queue)
		err := script.EnqueueTicks(ctx, c.rdb, queue, term, batch.ID, entries)
		if errors.Is(err, schedule.ErrDeposed) {
			return err
		}
		if err != nil {
			failed = cmp.Or(failed, redisconn.Coded(err))
			continue
		}
		for _, e := range entries {
			c.CountEnqueued(wire.TypeOf(e.Message), queue)
		}
	}
	return failed
}

func byQueue(entries []*schedule.OutboxEntry) map[string][]*schedule.OutboxEntry {
	sorted := make(map[string][]*schedule.OutboxEntry, 1)
	for _, e := range entries {
		sorted[e.Queue] = append(sorted[e.Queue], e)
	}
	return sorted
}

// Acked forgets a batch that will not be enqueued again, because it has been removed from the beat's outbox.
func (c *Client) Acked(ctx context.Context, batch *schedule.Batch) error {
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for queue := range byQueue(batch.Entries) {
			p.SRem(ctx, wire.TicksKey(queue), batch.ID)
		}
		return nil
	})
	return redisconn.Coded(err)
}

// ForgetTicks forgets all batches for which Acked was not called, as by a leader that died after it removed a batch from the
// outbox. Call it only while the beat's outbox is empty. Errors: schedule.ErrDeposed, CodeUnavailable.
func (c *Client) ForgetTicks(ctx context.Context, term int64) error {
	return c.inAllQueues(ctx, func(queue string) error { return script.ForgetTicks(ctx, c.rdb, queue, term) })
}

// inAllQueues calls run for all queues, also after one has failed. It returns schedule.ErrDeposed if any call did.
func (c *Client) inAllQueues(ctx context.Context, run func(queue string) error) error {
	var err error
	var mu sync.Mutex
	var running sync.WaitGroup
	slots := make(chan struct{}, queuesAtOnce)
	for _, queue := range c.QueueNames(ctx) {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			failed := run(queue)
			mu.Lock()
			defer mu.Unlock()
			if err == nil || errors.Is(failed, schedule.ErrDeposed) {
				err = failed
			}
		})
	}
	running.Wait()
	if errors.Is(err, schedule.ErrDeposed) {
		return err
	}
	return redisconn.Coded(err)
}

// queuesAtOnce is for how many queues inAllQueues runs at the same time.
const queuesAtOnce = 16

// Ends removes the drop oldest ends from the history outbox of a queue, which the caller has recorded, and returns the next
// ones, at most limit. Errors: schedule.ErrDeposed, CodeUnavailable.
func (c *Client) Ends(ctx context.Context, term int64, queue string, drop, limit int) ([]schedule.End, error) {
	ends, err := script.Ends(ctx, c.rdb, queue, term, drop, limit)
	if errors.Is(err, schedule.ErrDeposed) {
		return nil, err
	}
	return ends, redisconn.Coded(err)
}

// EndsOf returns a channel that receives a value when tasks of schedules have ended, and after each connection, before which
// messages may have been missed. The channel is closed after ctx and the subscription have ended; callers must wait for that.
func (c *Client) EndsOf(ctx context.Context) <-chan struct{} {
	ended := notifier.New()
	go func() {
		defer close(ended)
		redisconn.Subscribe(ctx, c.rdb, func(received any) {
			if m, ok := received.(*redis.Message); ok {
				if _, kind := wire.OutboxOf(m.Payload); kind != wire.History {
					return
				}
			}
			ended.Notify()
		}, wire.OutboxChannel)
	}()
	return ended
}
