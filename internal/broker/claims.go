package broker

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/task"
)

// claimFor is how long a claim holds if its release does not reach Redis.
const claimFor = 10 * time.Second

// claimIDs claims the ids that the tasks at the places have been given. Redis sees to it that an id is used once in a
// queue; that it is used in one queue only takes a claim on the id while the other queues are asked. It writes an error
// for each id that is not to be had, and returns what gives the claims up.
func (c *Client) claimIDs(ctx context.Context, tasks []*task.Task, places []int, errs []error) (release func()) {
	token := uuid.NewString()
	fail := func(err error) {
		for _, i := range places {
			errs[i] = err
		}
	}
	cmds := make(map[int]*redis.BoolCmd, len(places))
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, i := range places {
			cmds[i] = p.SetNX(ctx, claimKey(tasks[i].ID), token, claimFor)
		}
		return nil
	})
	// Claims are given up even if the caller has gone; if Redis has gone too, they end by themselves.
	release = func() { c.releaseClaims(context.WithoutCancel(ctx), tasks, places, token) }
	if err != nil {
		fail(wrap(err))
		return release
	}
	elsewhere, err := c.usedElsewhere(ctx, tasks, places)
	if err != nil {
		fail(err)
		return release
	}
	for _, i := range places {
		if elsewhere[i] {
			errs[i] = idTaken(tasks[i].ID)
		} else if !cmds[i].Val() {
			errs[i] = beingEnqueued(tasks[i].ID)
		}
	}
	return release
}

// usedElsewhere returns the places of tasks whose ids are used in another queue than their own.
func (c *Client) usedElsewhere(ctx context.Context, tasks []*task.Task, places []int) (map[int]bool, error) {
	queues, err := c.queueNames(ctx)
	if err != nil {
		return nil, err
	}
	var refs []ref
	var owners []int
	for _, i := range places {
		for _, queue := range queues {
			if queue != tasks[i].Queue {
				refs, owners = append(refs, ref{queue, tasks[i].ID}), append(owners, i)
			}
		}
	}
	records, err := c.read(ctx, refs)
	if err != nil {
		return nil, err
	}
	used := make(map[int]bool)
	for j, r := range records {
		if r != nil {
			used[owners[j]] = true
		}
	}
	return used, nil
}

// releaseClaim deletes a claim if it is still ours.
const releaseClaim = `
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
return 0`

func (c *Client) releaseClaims(ctx context.Context, tasks []*task.Task, places []int, token string) {
	// A claim that is not given up ends by itself.
	_, _ = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, i := range places {
			p.Eval(ctx, releaseClaim, []string{claimKey(tasks[i].ID)}, token)
		}
		return nil
	})
}

func idTaken(id string) error { return task.Conflict("task id %q is taken", id) }

func beingEnqueued(id string) error {
	return task.Conflict("task id %q is being enqueued by another request", id)
}
