package ticks

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/notifier"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
	"github.com/redis/go-redis/v9"
)

// BeatClient is what a leader of the beat does with the queues. Whatever it does is fenced by its term: once a later
// leader has called Fence, it changes nothing any more and returns schedule.ErrDeposed.
type Client struct {
	*queue.Client
	rdb           redis.UniversalClient
	schedulersKey string // where asynq's tools find the schedules that this client shows
}

// NewBeatClient returns what a leader works with, on the connection of the client.
func New(rdb redis.UniversalClient, client *queue.Client) *Client {
	return &Client{client, rdb, newSchedulersKey()}
}

// Fence shuts out the leaders of earlier terms, from all queues.
func (c *Client) Fence(ctx context.Context, term int64) error {
	return c.inAllQueues(ctx, func(queue string) error { return script.Fence(ctx, c.rdb, queue, term) })
}

// Encode returns a task as asynq keeps it.
func (c *Client) Encode(t *task.Task) []byte { return wire.NewMessage(t).Encode() }

// EnqueueTicks puts the tasks of a batch into their queues. Repeated calls for a batch have no effect until Acked. The queues must have been fenced with the term.
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

// Acked says that a batch is out of the outbox, and will not be enqueued again.
func (c *Client) Acked(ctx context.Context, batch *schedule.Batch) error {
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for queue := range byQueue(batch.Entries) {
			p.SRem(ctx, wire.TicksKey(queue), batch.ID)
		}
		return nil
	})
	return redisconn.Coded(err)
}

// ForgetTicks forgets all batches that were enqueued and not passed to Acked, because a leader died in between. Call it only
// while the outbox is empty.
func (c *Client) ForgetTicks(ctx context.Context, term int64) error {
	return c.inAllQueues(ctx, func(queue string) error { return script.ForgetTicks(ctx, c.rdb, queue, term) })
}

// inAllQueues runs a script for each queue, which answers 0 if a later leader uses it. A queue that fails keeps it from
// none of the others.
func (c *Client) inAllQueues(ctx context.Context, run func(queue string) error) error {
	var err error
	var mu sync.Mutex
	var running sync.WaitGroup
	slots := make(chan struct{}, queuesAtOnce)
	for _, queue := range c.Client.QueueNames(ctx) {
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

// queuesAtOnce is how many queues a script runs for at a time.
const queuesAtOnce = 16

// Ends drops the oldest ends of a queue, which have been noted, and returns the next, at most limit of them.
func (c *Client) Ends(ctx context.Context, term int64, queue string, drop, limit int) ([]schedule.End, error) {
	ends, err := script.Ends(ctx, c.rdb, queue, term, drop, limit)
	if errors.Is(err, schedule.ErrDeposed) {
		return nil, err
	}
	return ends, redisconn.Coded(err)
}

// EndsOf returns a channel that receives a value when tasks of schedules have ended, and when some may have without notice. It
// is closed after ctx has ended, when the subscription has; callers wait for that.
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

// QueueNames returns the names of the queues that ticks may go to: all that are known.
func (c *Client) QueueNames(ctx context.Context) ([]string, error) {
	return c.Client.QueueNames(ctx), ctx.Err()
}
