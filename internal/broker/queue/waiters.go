package queue

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/watch"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

// lateAnswer is how long Redis may take to tell how a task is doing when the time to wait for it is over.
const lateAnswer = 5 * time.Second

// Wait returns the task as soon as it is over, or as it is when ctx ends, which is no error. The end of the task
// wakes it: whoever waits marks the task, and the script that ends a marked task says so on a channel. Errors:
// CodeNotFound, CodeUnavailable.
func (c *Client) Wait(ctx context.Context, id string) (*task.Task, error) {
	call, cancel := bounded(ctx)
	defer cancel()
	r, err := c.find(call, id)
	if err != nil {
		return nil, err
	}
	t := r.Task()
	if t.State.Terminal() {
		return t, nil
	}
	one := c.watches.Add(wire.Ref{Queue: r.Queue, ID: id}, t, watch.End)
	defer c.watches.Remove(one)
	c.watches.AwaitSubscription(call)

	// Only now, when the end cannot go unheard any more, is the task marked and looked at again.
	state, err := c.mark(call, one)
	switch {
	case err != nil && ctx.Err() == nil:
		return nil, err
	case err == nil && wire.IsFinished(state):
		return c.Get(ctx, id) // it ended just before it was marked
	}
	return c.await(ctx, one)
}

// EnqueueAndWait enqueues a task as Enqueue does, and returns it as soon as it is over, or as it is when it is not over in
// time or ctx ends. The task is watched from before it is in its queue, so that even the outcome of one that is dropped at
// its end is told. Once it is enqueued there are no errors: whatever becomes of the wait, the task was accepted. Errors:
// those of Enqueue.
func (c *Client) EnqueueAndWait(ctx context.Context, t *task.Task, limit time.Duration) (*task.Task, error) {
	tasks := []*task.Task{t}
	chosen := nameAll(tasks)
	one := c.watches.Add(wire.Ref{Queue: t.Queue, ID: t.ID}, t, watch.End)
	defer c.watches.Remove(one)
	call, cancel := bounded(ctx)
	defer cancel()
	c.watches.AwaitSubscription(call)
	if err := c.enqueueAll(call, tasks, chosen, true)[0]; err != nil {
		return nil, err
	}
	return c.awaitEnqueued(ctx, one, t, limit), nil
}

// awaitEnqueued returns a task that has just been enqueued, as soon as it is over, or as it is when it is not over in time.
func (c *Client) awaitEnqueued(ctx context.Context, one *watch.Watcher, t *task.Task, limit time.Duration) *task.Task {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if seen, err := c.await(ctx, one); err == nil {
		return seen
	}
	return t
}

// readWatched reads tasks that are watched: also those that were dropped at their end, which stay aside for a while.
func (c *Client) readWatched(ctx context.Context, refs []wire.Ref) ([]*wire.Record, error) {
	records, err := c.readComplete(ctx, refs)
	if err != nil {
		return nil, err
	}
	cmds := make(map[int]*redis.SliceCmd)
	_, err = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, r := range refs {
			if records[i] == nil {
				cmds[i] = p.HMGet(ctx, wire.EndedKey(r.Queue, r.ID), wire.RecordFields...)
			}
		}
		return nil
	})
	if redisconn.Coded(err) != nil {
		return nil, redisconn.Coded(err)
	}
	for i, cmd := range cmds {
		if r, ok := wire.NewRecord(refs[i].Queue, refs[i].ID, cmd.Val()); ok {
			records[i] = r
		}
	}
	return records, nil
}

// mark lets what becomes of the task be announced. It returns asynq's state of the task. Errors: CodeNotFound,
// CodeUnavailable.
func (c *Client) mark(ctx context.Context, one *watch.Watcher) (state string, err error) {
	state, err = script.Await(ctx, c.rdb, one.Queue, one.ID, string(one.Wants))
	if err == nil && state == "" {
		return "", dropped(one.ID)
	}
	return state, redisconn.Coded(err)
}

func dropped(id string) error { return task.NotFound("task %q was dropped", id) }

// await waits for the end of a task that is marked. The caller gets an answer although its context has ended.
func (c *Client) await(ctx context.Context, one *watch.Watcher) (*task.Task, error) {
	select {
	case t, ok := <-one.Updates:
		if !ok {
			return nil, dropped(one.ID)
		}
		return t, nil
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), lateAnswer)
	defer cancel()
	return c.Get(late, one.ID)
}

// Follow tells what becomes of a task. The channel holds the task as it was found last, and at first as it is now; a newer
// state takes the place of one that nobody has taken yet, so a reader that is slow misses what was in between and never
// the newest. The channel is closed when the task is gone, which is no end of the kind that Task.State tells: somebody
// has deleted it. While Redis is away nothing comes; then what there is. stop must be called. Errors: CodeNotFound,
// CodeUnavailable.
func (c *Client) Follow(ctx context.Context, id string) (news <-chan *task.Task, stop func(), err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	r, err := c.find(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	t := r.Task()
	one := c.watches.Add(wire.Ref{Queue: r.Queue, ID: id}, t, watch.Changes)
	stop = func() { c.watches.Remove(one) }
	if t.State.Terminal() {
		return one.Updates, stop, nil
	}
	c.watches.AwaitSubscription(ctx)
	if _, err := c.mark(ctx, one); err != nil {
		stop()
		return nil, nil, err
	}
	c.watches.Reread(one.Ref) // for what has become of it since it was found
	return one.Updates, stop, nil
}
