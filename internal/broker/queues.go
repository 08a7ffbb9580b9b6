package broker

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/task"
)

// Queues tells what all queues hold: the configured ones first, then those that only foreign clients use.
func (c *Client) Queues(ctx context.Context) ([]task.QueueStatus, error) {
	names, err := c.queueNames(ctx)
	if err != nil {
		return nil, err
	}
	return c.status(ctx, names)
}

// Queue tells what a queue holds. Errors: CodeNotFound, CodeUnavailable.
func (c *Client) Queue(ctx context.Context, name string) (*task.QueueStatus, error) {
	if err := c.knows(ctx, name); err != nil {
		return nil, err
	}
	statuses, err := c.status(ctx, []string{name})
	if err != nil {
		return nil, err
	}
	return &statuses[0], nil
}

// Pause keeps workers from taking tasks out of the queue; what runs goes on. Pausing twice is no error. Errors:
// CodeNotFound, CodeUnavailable.
func (c *Client) Pause(ctx context.Context, queue string) error {
	if err := c.knows(ctx, queue); err != nil {
		return err
	}
	return wrap(c.rdb.SetNX(ctx, pausedKey(queue), time.Now().Unix(), 0).Err())
}

// Resume ends a pause. Resuming a queue that is not paused is no error. Errors: CodeNotFound, CodeUnavailable.
func (c *Client) Resume(ctx context.Context, queue string) error {
	if err := c.knows(ctx, queue); err != nil {
		return err
	}
	if err := c.rdb.Del(ctx, pausedKey(queue)).Err(); err != nil {
		return wrap(err)
	}
	c.rdb.Publish(ctx, wakeChannel, ownPrefix(queue)) // workers that it does not reach poll
	return nil
}

func (c *Client) knows(ctx context.Context, queue string) error {
	names, err := c.queueNames(ctx)
	if err == nil && !slices.Contains(names, queue) {
		err = task.NotFound("there is no queue %q", queue)
	}
	return err
}

// status reads the sizes that Redis keeps at hand. asynq's own GetQueueInfo samples the memory of up to 120 tasks
// as well, which nobody asks for here.
func (c *Client) status(ctx context.Context, names []string) ([]task.QueueStatus, error) {
	now := time.Now()
	reads := make([]queueRead, len(names))
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			reads[i] = newQueueRead(ctx, p, name, now)
		}
		return nil
	})
	if wrap(err) != nil {
		return nil, wrap(err)
	}
	statuses := make([]task.QueueStatus, len(names))
	for i, name := range names {
		statuses[i] = reads[i].status(name, c.weight(name))
	}
	return statuses, c.setLatencies(ctx, statuses, reads, now)
}

type queueRead struct {
	paused                                 *redis.IntCmd
	pending, running, scheduled, retrying  *redis.IntCmd
	succeeded, archived, canceled, expired *redis.IntCmd
	processed, failed                      *redis.StringCmd
	oldest                                 *redis.StringCmd
}

func newQueueRead(ctx context.Context, p redis.Pipeliner, name string, now time.Time) queueRead {
	return queueRead{
		paused:    p.Exists(ctx, pausedKey(name)),
		pending:   p.LLen(ctx, pendingKey(name)),
		running:   p.LLen(ctx, activeKey(name)),
		scheduled: p.ZCard(ctx, scheduledKey(name)),
		retrying:  p.ZCard(ctx, retryKey(name)),
		succeeded: p.ZCard(ctx, completedKey(name)),
		archived:  p.ZCard(ctx, archivedKey(name)),
		canceled:  p.ZCard(ctx, ownPrefix(name)+string(task.Canceled)),
		expired:   p.ZCard(ctx, ownPrefix(name)+string(task.Expired)),
		processed: p.Get(ctx, processedKey(name)+":"+today(now)),
		failed:    p.Get(ctx, failedTotalKey(name)+":"+today(now)),
		oldest:    p.LIndex(ctx, pendingKey(name), -1),
	}
}

func (r queueRead) status(name string, weight int) task.QueueStatus {
	return task.QueueStatus{
		Name:      name,
		Weight:    weight,
		Paused:    r.paused.Val() == 1,
		Pending:   int(r.pending.Val()),
		Running:   int(r.running.Val()),
		Scheduled: int(r.scheduled.Val()),
		Retrying:  int(r.retrying.Val()),
		Succeeded: int(r.succeeded.Val()),
		Canceled:  int(r.canceled.Val()),
		Expired:   int(r.expired.Val()),
		Archived:  int(r.archived.Val()),
		// asynq's archive holds all three ends that are no success.
		Failed:         int(max(0, r.archived.Val()-r.canceled.Val()-r.expired.Val())),
		ProcessedToday: atoi(r.processed.Val()),
		FailedToday:    atoi(r.failed.Val()),
	}
}

func (c *Client) setLatencies(ctx context.Context, statuses []task.QueueStatus, reads []queueRead, now time.Time) error {
	since := make([]*redis.StringCmd, len(statuses))
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, s := range statuses {
			if id := reads[i].oldest.Val(); id != "" {
				since[i] = p.HGet(ctx, taskKey(s.Name, id), fieldPendingSince)
			}
		}
		return nil
	})
	if wrap(err) != nil {
		return wrap(err)
	}
	for i := range statuses {
		if since[i] == nil {
			continue
		}
		if ns, err := strconv.ParseInt(since[i].Val(), 10, 64); err == nil {
			statuses[i].Latency = max(0, now.Sub(time.Unix(0, ns)))
		}
	}
	return nil
}

func (c *Client) weight(name string) int {
	for _, q := range c.queues {
		if q.Name == name {
			return q.Weight
		}
	}
	return 0
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s) // a counter that is not there is 0
	return n
}
