package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/watch"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// keyHolds is how long an idempotency key stands for its request.
	keyHolds = 24 * time.Hour
	// onceHolds is how long a queue knows that a task of such a request has been in it. That begins after the key's own
	// time and is longer, so that nobody who found the key in its last moment enqueues the task again.
	onceHolds = keyHolds + time.Hour
)

// keyClaim is what an idempotency key stands for: the request, and all that the first who came with it has decided.
// Whoever comes later goes on from there, so it does not matter where the first one got stuck.
type keyClaim struct {
	Fingerprint string `json:"fingerprint"`
	TaskID      string `json:"task_id"`
	Queue       string `json:"queue"`
	CreatedAt   int64  `json:"created_at"` // ms
}

// EnqueueOnce does what Enqueue does, once for all requests that are sent with the same key within a day. The first gets
// its task as Enqueue leaves it; for the others replayed is true, and they get the task as it is now, or as it was
// accepted if it is gone. Prepare makes a task of the request as of a time, which is that of the first. With a limit above
// 0 it waits so long at most for the task's end, as EnqueueAndWait does.
//
// Errors: catalog.ErrKeyReused if the key stands for another request; those of prepare, before anything is written down;
// those of Enqueue, after which the request may be sent again.
func (c *Client) EnqueueOnce(
	ctx context.Context, request catalog.Idempotency, prepare func(now time.Time) (*task.Task, error), limit time.Duration,
) (t *task.Task, replayed bool, err error) {
	call, cancel := bounded(ctx)
	defer cancel()
	t, chosen, err := c.claimedTask(call, request, prepare)
	if err != nil {
		return nil, false, err
	}
	c.names.announce(call, t.Queue)
	var one *watch.Watcher
	if limit > 0 {
		one = c.watches.Add(wire.Ref{Queue: t.Queue, ID: t.ID}, t, watch.End)
		defer c.watches.Remove(one)
		c.watches.AwaitSubscription(call)
	}
	if chosen {
		err = c.enqueueChosen(call, t, claimName(request), limit > 0)
	} else {
		err = c.enqueueOnce(call, &submission{task: t, NewTask: script.NewTask{OnceFor: onceHolds, Awaited: limit > 0}})
	}
	if errors.Is(err, script.ErrDoneBefore) {
		t, err = c.replay(ctx, t, limit)
		return t, true, err
	}
	c.count([]*task.Task{t}, []error{err})
	if err == nil && limit > 0 {
		t = c.awaitEnqueued(ctx, one, t, limit)
	}
	return t, false, err
}

// replay returns the task of an earlier request, and waits up to limit for its end.
func (c *Client) replay(ctx context.Context, accepted *task.Task, limit time.Duration) (*task.Task, error) {
	call, done := bounded(ctx)
	defer done()
	t, err := c.current(call, accepted)
	if err != nil || limit == 0 || t == accepted || t.State.Terminal() {
		return t, err // one that is gone has nothing to wait for
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if seen, err := c.Wait(ctx, t.ID); err == nil {
		return seen, nil
	}
	return t, nil
}

// claimedTask returns the task that the key stands for, and whether somebody chose its id. It claims the key for the
// request if nobody has.
func (c *Client) claimedTask(
	ctx context.Context, request catalog.Idempotency, prepare func(now time.Time) (*task.Task, error),
) (t *task.Task, chosen bool, err error) {
	name := claimName(request)
	now := c.Now().Truncate(time.Millisecond) // which is how it is kept
	own := keyClaim{Fingerprint: fingerprint(request.Request), CreatedAt: now.UnixMilli()}
	var held *keyClaim
	t, fault := prepare(now)
	if fault == nil {
		own.TaskID, own.Queue = t.ID, t.Queue
		if t.ID == "" {
			own.TaskID = uuid.Must(uuid.NewV7()).String() // it only fails where there is no randomness, as all of Go does
		}
		held, err = c.claimKey(ctx, name, own)
	} else if task.CodeOf(fault) == task.CodeInvalid {
		// What was right when it came first may since have passed its deadline, and is the same request all the same.
		held, err = c.keyClaim(ctx, name)
	}
	switch {
	case err != nil:
		return nil, false, err
	case held == nil, fault != nil && held.Fingerprint != own.Fingerprint:
		return nil, false, fault
	case held.Fingerprint != own.Fingerprint:
		return nil, false, catalog.ErrKeyReused
	case *held != own:
		if t, err = prepare(time.UnixMilli(held.CreatedAt)); err != nil {
			return nil, false, err
		}
	}
	chosen = t.ID != ""
	t.ID, t.Queue = held.TaskID, held.Queue
	return t, chosen, nil
}

// claimKey puts a claim under the key unless there is one. It returns the one that is there now.
func (c *Client) claimKey(ctx context.Context, name string, own keyClaim) (*keyClaim, error) {
	data, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	held, err := script.Claim(ctx, c.rdb, name, data, keyHolds)
	if err != nil {
		return nil, redisconn.Coded(err)
	}
	return parseKeyClaim(held)
}

// keyClaim returns the claim under the key, nil if there is none.
func (c *Client) keyClaim(ctx context.Context, name string) (*keyClaim, error) {
	held, err := c.rdb.Get(ctx, wire.IdempotencyKey(name)).Result()
	if err != nil {
		return nil, redisconn.Coded(err)
	}
	return parseKeyClaim(held)
}

func parseKeyClaim(text string) (*keyClaim, error) {
	held := &keyClaim{}
	if err := json.Unmarshal([]byte(text), held); err != nil || held.TaskID == "" || held.Queue == "" {
		return nil, task.Unavailable(fmt.Errorf("what is stored under an idempotency key cannot be read: %.100q", text))
	}
	return held, nil
}

// enqueueOnce enqueues a task. It returns script.ErrDoneBefore if that has been done.
func (c *Client) enqueueOnce(ctx context.Context, s *submission) error {
	err := c.enqueuer.submit(s).await(ctx)
	if errors.Is(err, script.ErrIDTaken) {
		return catalog.IDTaken(s.task.ID)
	}
	return err
}

// enqueueChosen is enqueueOnce for an id that somebody chose, and may have chosen for another task too. All requests with
// the key share the reservation of the id.
func (c *Client) enqueueChosen(ctx context.Context, t *task.Task, token string, awaited bool) error {
	for {
		errs := make([]error, 1)
		c.reserve(ctx, []*task.Task{t}, []int{0}, token, errs)
		if task.CodeOf(errs[0]) == task.CodeConflict {
			// The id may have been used again after this very task was gone.
			done, err := c.rdb.Exists(ctx, wire.OnceKey(t.Queue, t.ID)).Result()
			if err != nil {
				return redisconn.Coded(err)
			}
			if done == 1 {
				return script.ErrDoneBefore
			}
		}
		if errs[0] != nil {
			return errs[0]
		}
		err := c.enqueueOnce(ctx, &submission{task: t, NewTask: script.NewTask{Reserved: token, OnceFor: onceHolds, Awaited: awaited}})
		if !errors.Is(err, script.ErrUnreserved) {
			return err
		}
	}
}

// asItIs returns the task as its queue has it, or as it is given if it is gone. An id may have been used again since.
func (c *Client) current(ctx context.Context, t *task.Task) (*task.Task, error) {
	r, err := c.findIn(ctx, t.ID, t.Queue)
	if err != nil {
		return nil, err
	}
	if r == nil || !r.Message.Time(wire.HeaderCreatedAt).Equal(t.CreatedAt) {
		return t, nil
	}
	return r.Task(), nil
}

// claimName names a key of a caller. A key has no zero byte, so no two share a name.
func claimName(request catalog.Idempotency) string {
	return hash([]byte(request.Caller + "\x00" + request.Key))
}

// fingerprint is equal for requests that mean the same.
func fingerprint(request []byte) string { return hash(catalog.Canonical(request)) }

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
