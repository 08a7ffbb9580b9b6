package queue

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/clock"
	"github.com/backbeat-go/backbeat/internal/broker/meter"
	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/setup"
	"github.com/backbeat-go/backbeat/internal/broker/watch"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// Client puts tasks into queues, finds them again, and steers them. It is safe for concurrent use. Close it
// to end its subscription.
type Client struct {
	rdb      redis.UniversalClient
	queues   []fleet.Queue
	names    *names
	enqueuer *enqueuer
	lookups  *lookups
	watches  *watch.Watchers
	meter    meter.Client
	clock    *clock.Clock
}

// NewClient returns a client for the queues. The connection stays the caller's to close, after the client.
func NewClient(rdb redis.UniversalClient, queues []fleet.Queue) *Client {
	c := &Client{
		rdb:      rdb,
		queues:   queues,
		names:    newNames(rdb, queues),
		enqueuer: newEnqueuer(rdb),
		lookups:  newLookups(rdb),
		meter:    meter.None{},
		clock:    clock.New(rdb),
	}
	c.watches = watch.New(rdb, c.readWatched, c.clock.Now)
	return c
}

// Close ends the client's subscription, and waits for what is being enqueued and looked up. Those who still watch tasks hear
// nothing any more.
func (c *Client) Close() {
	c.watches.Close()
	c.enqueuer.close()
	c.lookups.close()
	c.clock.Close()
}

// Now returns the time by which tasks are judged: that of Redis, which this machine's may differ from. It is never ahead of
// Redis' own. While Redis has never answered it is the local time.
func (c *Client) Now() time.Time { return c.clock.Now() }

// Measure makes the client tell a meter what it does. It is called before the client is used.
func (c *Client) Measure(m meter.Client) { c.meter = m }

// CountEnqueued counts a task that was enqueued in another way than by this client.
func (c *Client) CountEnqueued(taskType, queue string) { c.meter.Enqueued(taskType, queue) }

// Watchers are those of this process who wait for tasks or follow them.
func (c *Client) Watchers() *watch.Watchers { return c.watches }

// callTime is how long a call may take that waits for nothing but Redis, all that it asks of Redis included.
const callTime = 4 * time.Second

// bounded returns a context for such a call.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTime)
}

// Ping returns an error with CodeUnavailable unless Redis answers and takes writes.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return setup.Ready(ctx, c.rdb)
}

// Enqueue puts a prepared task into its queue and gives it an id if it has none. Sending the same task twice,
// because an answer got lost, enqueues it once. Errors: CodeConflict if the id is taken in any queue, or if a
// task of the same type, queue and payload holds the lock that UniqueFor asks for; CodeUnavailable.
func (c *Client) Enqueue(ctx context.Context, t *task.Task) error {
	return c.EnqueueAll(ctx, []*task.Task{t})[0]
}

// EnqueueAll does what Enqueue does for many tasks in as few round trips as for one, and returns how each of them went,
// in order. One that is refused does not hinder the others.
func (c *Client) EnqueueAll(ctx context.Context, tasks []*task.Task) []error {
	return c.enqueueAll(ctx, tasks, nameAll(tasks), false)
}

// nameAll gives ids to the tasks that have none, and returns the places of the others, whose ids somebody chose.
func nameAll(tasks []*task.Task) (chosen []int) {
	for i, t := range tasks {
		if t.ID != "" {
			chosen = append(chosen, i)
			continue
		}
		t.ID = uuid.Must(uuid.NewV7()).String() // it only fails where there is no randomness, as all of Go does
	}
	return chosen
}

func (c *Client) enqueueAll(ctx context.Context, tasks []*task.Task, chosen []int, awaited bool) []error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for queue := range placesByQueue(tasks, allPlaces(tasks)) {
		c.names.announce(ctx, queue)
	}
	errs := make([]error, len(tasks))
	token := rand.Text()
	reserved := make([]string, len(tasks))
	for _, i := range chosen {
		reserved[i] = token
	}
	places := allPlaces(tasks)
	for len(places) > 0 {
		c.reserve(ctx, tasks, chosen, token, errs)
		chosen = c.submitAll(ctx, tasks, places, reserved, awaited, errs)
		places = chosen
	}
	c.count(tasks, errs)
	return errs
}

func allPlaces(tasks []*task.Task) []int {
	places := make([]int, len(tasks))
	for i := range places {
		places[i] = i
	}
	return places
}

// submitAll enqueues the tasks at those of the places that have no error, and writes how it went. It returns the places of
// those whose reservation had ended before.
func (c *Client) submitAll(
	ctx context.Context, tasks []*task.Task, places []int, reserved []string, awaited bool, errs []error,
) (again []int) {
	sent := make([]*submission, len(tasks))
	for _, i := range places {
		if errs[i] == nil {
			sent[i] = c.enqueuer.submit(&submission{task: tasks[i], NewTask: script.NewTask{Reserved: reserved[i], Awaited: awaited}})
		}
	}
	for i, s := range sent {
		if s == nil {
			continue
		}
		switch err := s.await(ctx); {
		case errors.Is(err, script.ErrIDTaken):
			errs[i] = c.checkOwn(ctx, s)
		case errors.Is(err, script.ErrUnreserved):
			again = append(again, i)
		default:
			errs[i] = err
		}
	}
	return again
}

func (c *Client) count(tasks []*task.Task, errs []error) {
	for i, t := range tasks {
		if errs[i] != nil {
			c.meter.Refused(errs[i])
		} else {
			c.meter.Enqueued(t.Type, t.Queue)
		}
	}
}

// checkOwn returns nil if the task that has the id is the very one that was to be enqueued: the answer got lost, and by
// the time it was sent again somebody had begun with it, which the message tells.
func (c *Client) checkOwn(ctx context.Context, s *submission) error {
	records, err := c.read(ctx, []wire.Ref{{Queue: s.task.Queue, ID: s.task.ID}})
	if err != nil {
		return err
	}
	if records[0] == nil {
		return catalog.IDTaken(s.task.ID)
	}
	m := *records[0].Message
	m.Retried, m.ErrorMsg, m.LastFailedAt, m.CompletedAt = 0, "", 0, 0
	if !bytes.Equal(m.Encode(), s.Message) {
		return catalog.IDTaken(s.task.ID)
	}
	return nil
}
