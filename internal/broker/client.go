package broker

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/task"
)

// Queue is a queue and its weight: its share where queues compete for workers, or its rank with strict
// priority.
type Queue struct {
	Name   string
	Weight int
}

// Client puts tasks into queues, finds them again, and steers them. It is safe for concurrent use. Close it
// to end its subscription.
type Client struct {
	rdb       redis.UniversalClient
	queues    []Queue
	inspector *asynq.Inspector
	waiters   *waiters
	announced sync.Map // names of queues that asynq's tools have been told of
}

// NewClient returns a client for the queues. The connection stays the caller's to close, after the client.
func NewClient(rdb redis.UniversalClient, queues []Queue) *Client {
	return &Client{
		rdb:       rdb,
		queues:    queues,
		inspector: asynq.NewInspectorFromRedisClient(rdb),
		waiters:   newWaiters(rdb),
	}
}

// Close ends the client's subscription. Those who still wait do so until their context ends.
func (c *Client) Close() { c.waiters.close() }

// Ping returns an error with CodeUnavailable unless Redis answers.
func (c *Client) Ping(ctx context.Context) error { return wrap(c.rdb.Ping(ctx).Err()) }

// Enqueue puts a prepared task into its queue and gives it an id if it has none. Sending the same task twice,
// because an answer got lost, enqueues it once. Errors: CodeConflict if the id is taken in any queue, or if a
// task of the same type, queue and payload holds the lock that UniqueFor asks for; CodeUnavailable.
func (c *Client) Enqueue(ctx context.Context, t *task.Task) error {
	if err := c.announce(ctx, t.Queue); err != nil {
		return err
	}
	if t.ID != "" {
		return c.enqueueNamed(ctx, t)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a task id: %w", err)
	}
	t.ID = id.String()
	return c.enqueue(ctx, t)
}

// enqueueNamed enqueues a task whose id somebody chose. Redis sees to it that an id is used once in a queue;
// that it is used in one queue only takes a claim on the id while the other queues are asked.
func (c *Client) enqueueNamed(ctx context.Context, t *task.Task) error {
	token := uuid.NewString()
	claimed, err := c.rdb.SetNX(ctx, claimKey(t.ID), token, 10*time.Second).Result()
	if err != nil {
		return wrap(err)
	}
	if !claimed {
		return task.Conflict("task id %q is being enqueued by another request", t.ID)
	}
	// The claim goes even if the caller has gone; if Redis has gone too, it ends by itself.
	defer releaseClaim.Run(context.WithoutCancel(ctx), c.rdb, []string{claimKey(t.ID)}, token)

	r, err := c.find(ctx, t.ID)
	if err != nil && task.CodeOf(err) != task.CodeNotFound {
		return err
	}
	if r != nil && r.queue != t.Queue {
		return idTaken(t.ID)
	}
	return c.enqueue(ctx, t)
}

// releaseClaim deletes a claim if it is still ours.
var releaseClaim = redis.NewScript(`
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
return 0`)

func (c *Client) enqueue(ctx context.Context, t *task.Task) error {
	now := time.Now()
	var runAt, expiresAt int64
	if t.State == task.Scheduled {
		runAt = t.RunAt.UnixMilli()
	}
	if !t.ExpiresAt.IsZero() {
		expiresAt = t.ExpiresAt.UnixMilli()
	}
	reply, err := enqueueScript.run(ctx, c.rdb, t.Queue, now, []string{taskKey(t.Queue, t.ID)},
		t.ID, newMessage(t).encode(), now.UnixNano(), runAt, expiresAt, t.Retention.Milliseconds(),
		uniqueKey(t), t.UniqueFor.Milliseconds()).Text()
	if err != nil {
		return wrap(err)
	}
	if reply == "id" {
		return idTaken(t.ID)
	}
	if holder, ok := strings.CutPrefix(reply, "unique:"); ok {
		return task.Conflict("task %q has the same type, queue and payload, and unique_for is not over", holder)
	}
	return nil
}

func idTaken(id string) error { return task.Conflict("task id %q is taken", id) }

// uniqueKey is the lock of tasks of one type, queue and payload, under the name that asynq gives it. Payloads
// that differ only in white space or in the order of keys are the same.
func uniqueKey(t *task.Task) string {
	if t.UniqueFor == 0 {
		return ""
	}
	sum := md5.Sum(canonical(t.Payload)) // a name, not a safeguard
	return asynqPrefix(t.Queue) + "unique:" + t.Type + ":" + hex.EncodeToString(sum[:])
}

func canonical(payload json.RawMessage) []byte {
	var value any
	dec := json.NewDecoder(strings.NewReader(string(payload)))
	dec.UseNumber() // 1e400 and 0.10 stay what they are
	if err := dec.Decode(&value); err != nil {
		return payload
	}
	sorted, err := json.Marshal(value) // with the keys in order
	if err != nil {
		return payload
	}
	return sorted
}

// announce tells asynq's tools, once, that there is such a queue.
func (c *Client) announce(ctx context.Context, queue string) error {
	if _, done := c.announced.Load(queue); done {
		return nil
	}
	if err := c.rdb.SAdd(ctx, asynqQueues, queue).Err(); err != nil {
		return wrap(err)
	}
	c.announced.Store(queue, true)
	return nil
}

// queueNames returns the configured queues and then those that only foreign clients use, sorted.
func (c *Client) queueNames(ctx context.Context) ([]string, error) {
	found, err := c.rdb.SMembers(ctx, asynqQueues).Result()
	if err != nil {
		return nil, wrap(err)
	}
	names := make([]string, 0, len(c.queues)+len(found))
	for _, q := range c.queues {
		names = append(names, q.Name)
	}
	slices.Sort(found)
	for _, name := range found {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}
