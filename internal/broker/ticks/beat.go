package ticks

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
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
	return c.inAllQueues(ctx, func(queue string) *redis.Cmd {
		return script.FenceScript.Run(ctx, c.rdb, queue, []string{wire.TermKey(queue)}, term)
	})
}

// Encode returns a task as asynq keeps it.
func (c *Client) Encode(t *task.Task) []byte { return wire.NewMessage(t).Encode() }

// EnqueueTicks puts the tasks of a batch of ticks into their queues, each once, however often it is told to: until Struck
// is told that it will not be any more. The queues must have been fenced with the term.
func (c *Client) EnqueueTicks(ctx context.Context, term int64, batch *schedule.Batch) error {
	var failed error
	for queue, owed := range byQueue(batch.Owed) {
		c.Announce(ctx, queue)
		err := c.enqueueTicks(ctx, term, queue, batch.ID, owed)
		if errors.Is(err, schedule.ErrDeposed) {
			return err
		}
		failed = cmp.Or(failed, err)
	}
	return failed
}

func byQueue(owed []*schedule.Owed) map[string][]*schedule.Owed {
	sorted := make(map[string][]*schedule.Owed, 1)
	for _, o := range owed {
		sorted[o.Queue] = append(sorted[o.Queue], o)
	}
	return sorted
}

// enqueueTicks works on what goes into one queue, all of it in one script: it is known by the batch.
func (c *Client) enqueueTicks(ctx context.Context, term int64, queue, batch string, owed []*schedule.Owed) error {
	size := 3
	if slices.ContainsFunc(owed, func(o *schedule.Owed) bool { return wire.EventsOf(o.Message) != "" }) {
		size = 4 // few have callbacks, and the others are not to pay for them
	}
	args := make([]any, 0, 4+size*len(owed))
	args = append(args, term, batch, size)
	for _, o := range owed {
		args = append(args, o.Run.TaskID, o.ScheduleID, o.Message)
		if size == 4 {
			args = append(args, wire.EventsOf(o.Message))
		}
	}
	keys := []string{wire.TermKey(queue), wire.TicksKey(queue), wire.PendingKey(queue)}
	leads, err := script.TickScript.Run(ctx, c.rdb, queue, keys, args...).Bool()
	if err == nil && !leads {
		return schedule.ErrDeposed
	}
	if err != nil {
		return redisconn.Coded(err)
	}
	for _, o := range owed {
		c.CountEnqueued(wire.TypeOf(o.Message), queue)
	}
	return nil
}

// Struck says that a batch will not be enqueued again, because it has been struck off the list of what is owed.
func (c *Client) Struck(ctx context.Context, batch *schedule.Batch) error {
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for queue := range byQueue(batch.Owed) {
			p.SRem(ctx, wire.TicksKey(queue), batch.ID)
		}
		return nil
	})
	return redisconn.Coded(err)
}

// ForgetTicks forgets all batches that were enqueued and not struck off. It is right only while nothing is owed: an
// earlier leader may have died between striking off and Struck.
func (c *Client) ForgetTicks(ctx context.Context, term int64) error {
	return c.inAllQueues(ctx, func(queue string) *redis.Cmd {
		return script.ForgetScript.Run(ctx, c.rdb, queue, []string{wire.TermKey(queue), wire.TicksKey(queue)}, term)
	})
}

// inAllQueues runs a script for each queue, which answers 0 if a later leader uses it. A queue that fails keeps it from
// none of the others.
func (c *Client) inAllQueues(ctx context.Context, run func(queue string) *redis.Cmd) error {
	var err error
	var mu sync.Mutex
	var running sync.WaitGroup
	slots := make(chan struct{}, queuesAtOnce)
	for _, queue := range c.Client.QueueNames(ctx) {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			newest, failed := run(queue).Bool()
			if failed == nil && !newest {
				failed = schedule.ErrDeposed
			}
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
	keys := []string{wire.TermKey(queue), wire.EndsKey(queue)}
	lines, err := script.EndsScript.Run(ctx, c.rdb, queue, keys, term, drop, limit).StringSlice()
	if errors.Is(err, redis.Nil) {
		return nil, schedule.ErrDeposed
	}
	if err != nil {
		return nil, redisconn.Coded(err)
	}
	ends := make([]schedule.End, 0, len(lines))
	for _, line := range lines {
		parts := strings.SplitN(line, "\n", 3)
		if len(parts) == 3 {
			ends = append(ends, schedule.End{ScheduleID: parts[0], TaskID: parts[1], State: endState(parts[2])})
		} else {
			ends = append(ends, schedule.End{}) // it counts when they are dropped
		}
	}
	return ends, nil
}

func endState(s string) task.State {
	if s == "deleted" {
		return task.Canceled
	}
	return task.State(s)
}

// EndsOf returns a channel that receives a value when tasks of schedules have ended, and when some may have without notice. It
// is closed after ctx has ended, when the subscription has; callers wait for that.
func (c *Client) EndsOf(ctx context.Context) <-chan struct{} {
	ended := notifier.New()
	go func() {
		defer close(ended)
		redisconn.Subscribe(ctx, c.rdb, func(any) { ended.Notify() }, wire.EndsChannel)
	}()
	return ended
}

// QueueNames returns the names of the queues that ticks may go to: all that are known.
func (c *Client) QueueNames(ctx context.Context) ([]string, error) {
	return c.Client.QueueNames(ctx), ctx.Err()
}
