package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// reservedFor is how long an id stays reserved when the request that reserved it goes no further.
	reservedFor = 2 * time.Second
	// nodeWait bounds how long a node of a cluster is waited for where the others will do.
	nodeWait = 500 * time.Millisecond
	// retryReservation is about how often a request looks whether another request with its id has come to an end.
	retryReservation = 10 * time.Millisecond
)

// A task's id is used once in all queues. Within a queue enqueue.lua sees to that. Between queues, which have no slot in
// common on a cluster, it takes a reservation: a request that brings an id
//
//  1. reserves it in the queue of the task, for a short time and under a token, so that the same may be sent twice;
//  2. asks all other queues for a task or a reservation of that id;
//  3. enqueues the task, which enqueue.lua does only while the reservation is held, and which ends the reservation.
//
// Of two requests that reserve an id in two queues, the later sees the reservation of the earlier in step 2, or each sees the
// other's. Neither goes on while it sees one. The one whose queue comes later by name withdraws and tries again.
// A queue that cannot be reached counts as one that has not got the id.

// reserve reserves the ids of the tasks at the places. It writes an error for each id that is taken or that could not be
// reserved before ctx ended.
func (c *Client) reserve(ctx context.Context, tasks []*task.Task, places []int, token string, errs []error) {
	waiting := c.firstOfEach(tasks, places, errs)
	for {
		waiting = c.reserveOnce(ctx, tasks, waiting, token, errs)
		if len(waiting) == 0 {
			return
		}
		if !pause.For(ctx, retryReservation/2+rand.N(retryReservation)) {
			break
		}
	}
	for _, i := range waiting {
		errs[i] = task.Unavailable(fmt.Errorf("task id %q is being enqueued by another request", tasks[i].ID))
	}
	c.withdraw(ctx, tasks, waiting, token)
}

// firstOfEach returns the places without those whose id an earlier one has, which are refused.
func (c *Client) firstOfEach(tasks []*task.Task, places []int, errs []error) []int {
	seen := make(map[string]bool, len(places))
	first := make([]int, 0, len(places))
	for _, i := range places {
		if seen[tasks[i].ID] {
			errs[i] = catalog.IDTaken(tasks[i].ID)
		} else if errs[i] == nil {
			first = append(first, i)
		}
		seen[tasks[i].ID] = true
	}
	return first
}

// reserveOnce tries to reserve the ids once, and returns the places of those that other requests are enqueuing.
func (c *Client) reserveOnce(ctx context.Context, tasks []*task.Task, places []int, token string, errs []error) (waiting []int) {
	var held []int
	for queue, some := range placesByQueue(tasks, places) {
		replies, err := script.Reserve(ctx, c.rdb, queue, idsOf(tasks, some), token, reservedFor)
		for n, i := range some {
			switch {
			case err != nil:
				errs[i] = redisconn.Coded(err)
			case replies[n]:
				held = append(held, i)
			default:
				waiting = append(waiting, i)
			}
		}
	}
	rivals, err := c.rivals(ctx, tasks, held, token)
	var lost []int
	for n, i := range held {
		switch {
		case err != nil:
			errs[i] = redisconn.Coded(err)
		case rivals[n].taken:
			errs[i] = catalog.IDTaken(tasks[i].ID)
		case rivals[n].queue == "":
			continue
		default:
			waiting = append(waiting, i)
			if tasks[i].Queue < rivals[n].queue {
				continue
			}
		}
		lost = append(lost, i)
	}
	c.withdraw(ctx, tasks, lost, token)
	return waiting
}

func placesByQueue(tasks []*task.Task, places []int) map[string][]int {
	byQueue := make(map[string][]int, 1)
	for _, i := range places {
		byQueue[tasks[i].Queue] = append(byQueue[tasks[i].Queue], i)
	}
	return byQueue
}

func idsOf(tasks []*task.Task, places []int) []string {
	ids := make([]string, len(places))
	for n, i := range places {
		ids[n] = tasks[i].ID
	}
	return ids
}

// rival is what another queue has of an id.
type rival struct {
	taken bool   // a task
	queue string // where another request has reserved it; of several the first by name
}

// rivals asks all other queues for the ids of the tasks at the places, each node by itself.
func (c *Client) rivals(ctx context.Context, tasks []*task.Task, places []int, token string) ([]rival, error) {
	if len(places) == 0 {
		return nil, nil
	}
	queues, _ := c.names.all(ctx) // those that are known will do
	if c.lookups.cluster {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, nodeWait)
		defer cancel()
	}
	rivals := make([]rival, len(places))
	var failed error
	var mu sync.Mutex
	c.inEach(queues, func(queues []string) {
		found, err := c.rivalsIn(ctx, queues, tasks, places, token)
		mu.Lock()
		defer mu.Unlock()
		for n, r := range found {
			rivals[n].add(r)
		}
		if err != nil && !c.lookups.cluster {
			failed = err // there is one server for all
		}
	})
	return rivals, failed
}

func (r *rival) add(other rival) {
	r.taken = r.taken || other.taken
	if other.queue != "" && (r.queue == "" || other.queue < r.queue) {
		r.queue = other.queue
	}
}

// rivalsIn asks some queues, in one round trip. A key of a wrong type is no task.
func (c *Client) rivalsIn(
	ctx context.Context, queues []string, tasks []*task.Task, places []int, token string,
) ([]rival, error) {
	type question struct {
		place, n int
		queue    string
		fields   *redis.SliceCmd
		reserved *redis.StringCmd
	}
	var questions []question
	_, _ = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { // each answer has its own error
		for n, i := range places {
			for _, queue := range queues {
				if queue != tasks[i].Queue {
					read := appendReads(ctx, p, []wire.Ref{{Queue: queue, ID: tasks[i].ID}}, wire.FieldsWithoutResult)[0]
					questions = append(questions, question{i, n, queue, read, p.Get(ctx, wire.ReservedKey(queue, tasks[i].ID))})
				}
			}
		}
		return nil
	})
	rivals := make([]rival, len(places))
	now := c.Now()
	for _, q := range questions {
		if err := errors.Join(notOfKey(q.fields.Err()), notOfKey(q.reserved.Err())); err != nil {
			return nil, err
		}
		if r, ok := wire.NewRecord(q.queue, tasks[q.place].ID, q.fields.Val()); ok && !r.Over(now) {
			rivals[q.n].add(rival{taken: true})
		}
		if holder := q.reserved.Val(); holder != "" && holder != token {
			rivals[q.n].add(rival{queue: q.queue})
		}
	}
	return rivals, nil
}

// notOfKey returns nil for an error that is Redis' answer about a key.
func notOfKey(err error) error {
	if _, answered := errors.AsType[redis.Error](err); answered {
		return nil
	}
	return err
}

// withdraw gives reservations up, even if the caller has gone. One that is not given up ends by itself.
func (c *Client) withdraw(ctx context.Context, tasks []*task.Task, places []int, token string) {
	if len(places) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nodeWait)
	defer cancel()
	for queue, some := range placesByQueue(tasks, places) {
		_ = script.Withdraw(ctx, c.rdb, queue, idsOf(tasks, some), token)
	}
}
