package broker

import (
	"cmp"
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// Get returns the task with the id, whichever queue it is in. Errors: CodeNotFound, CodeUnavailable.
func (c *Client) Get(ctx context.Context, id string) (*task.Task, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	r, err := c.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.task(), nil
}

// askOthersAfter is how long the configured queues may take until those of foreign clients are asked too.
const askOthersAfter = 500 * time.Millisecond

// find looks for the task in all queues in one round trip: those of the configuration first, and where they do
// not have it those of foreign clients. It is cheaper and safer than an index from ids to queues, which could
// be wrong. The task is found as soon as one queue has it, whatever has become of the others.
func (c *Client) find(ctx context.Context, id string) (*record, error) {
	configured := c.lookups.ask(id, c.names.configured)
	var foreign <-chan *lookup
	slow := time.NewTimer(askOthersAfter)
	defer slow.Stop()
	var failed error
	for left := cap(configured); left > 0 || foreign == nil; {
		var answer *lookup
		if left > 0 {
			select {
			case answer = <-configured:
			case answer = <-foreign:
			case <-slow.C:
			case <-ctx.Done():
				return nil, wrap(ctx.Err())
			}
		}
		if answer != nil {
			left--
			if r, err := c.found(ctx, answer); r != nil || err != nil {
				return r, err
			}
			failed = cmp.Or(failed, answer.err())
		}
		if foreign == nil && (left == 0 || answer == nil) {
			all, err := c.names.all(ctx)
			failed = cmp.Or(failed, err)
			foreign = c.lookups.ask(id, all[len(c.names.configured):])
			left += cap(foreign)
		}
	}
	if failed != nil {
		return nil, wrap(failed)
	}
	return nil, catalog.NoTask(id)
}

// found returns the task of an answer, nil if it holds none.
func (c *Client) found(ctx context.Context, answer *lookup) (*record, error) {
	for _, r := range c.recordsOf(answer.refs, answer.cmds) {
		if r != nil {
			return c.settle(ctx, r)
		}
	}
	return nil, nil
}

// findIn returns nil if the queue does not have the task.
func (c *Client) findIn(ctx context.Context, id, queue string) (*record, error) {
	select {
	case answer := <-c.lookups.ask(id, []string{queue}):
		if err := answer.err(); err != nil {
			return nil, wrap(err)
		}
		return c.found(ctx, answer)
	case <-ctx.Done():
		return nil, wrap(ctx.Err())
	}
}

// read reads tasks in one round trip. What is not there, or past its retention, is nil in the answer.
func (c *Client) read(ctx context.Context, refs []ref) ([]*record, error) {
	return c.readFields(ctx, refs, recordFields)
}

func (c *Client) readFields(ctx context.Context, refs []ref, fields []string) ([]*record, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	var cmds []*redis.SliceCmd
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		cmds = appendReads(ctx, p, refs, fields)
		return nil
	})
	if err != nil {
		return nil, wrap(err)
	}
	return c.recordsOf(refs, cmds), nil
}

func (c *Client) recordsOf(refs []ref, cmds []*redis.SliceCmd) []*record {
	now := c.Now()
	records := make([]*record, len(refs))
	for i, f := range refs {
		if r, ok := newRecord(f.queue, f.id, cmds[i].Val()); ok && !r.over(now) {
			records[i] = r
		}
	}
	return records
}

// readSettled reads tasks and settles them.
func (c *Client) readSettled(ctx context.Context, refs []ref) ([]*record, error) {
	records, err := c.read(ctx, refs)
	for i, r := range records {
		if r != nil && err == nil {
			records[i], err = c.settle(ctx, r)
		}
	}
	return records, err
}

// settle completes what a reader would find unfinished: a task past its expires_at that no worker has swept
// yet, and the next try of a task that a stock client or server has put off. It returns nil for a task that
// is gone by now.
func (c *Client) settle(ctx context.Context, r *record) (*record, error) {
	now := c.Now()
	state := r.taskState()
	expires := r.message.time(headerExpiresAt)
	waits := (state == task.Pending || state == task.Scheduled) && r.fields[fieldAttempt] == ""
	if waits && !expires.IsZero() && !expires.After(now) {
		return c.expire(ctx, r)
	}
	if (state == task.Scheduled || state == task.Retrying) && r.fields[fieldRunAt] == "" {
		score, err := c.rdb.ZScore(ctx, asynqPrefix(r.queue)+r.state, r.id).Result()
		if wrap(err) != nil {
			return nil, wrap(err)
		}
		r.fields[fieldRunAt] = formatMillis(time.Unix(int64(score), 0))
	}
	return r, nil
}

func (c *Client) expire(ctx context.Context, r *record) (*record, error) {
	if err := sweep(ctx, c.rdb, r.queue, c.meter.Ended); err != nil {
		return nil, err
	}
	records, err := c.read(ctx, []ref{{r.queue, r.id}})
	if err != nil {
		return nil, err
	}
	return records[0], nil
}
