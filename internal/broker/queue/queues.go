package queue

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

// Queues tells what all queues hold: the configured ones first, then those that only foreign clients use. On a cluster it
// leaves out those whose node does not answer, unless none does. Errors: CodeUnavailable.
func (c *Client) Queues(ctx context.Context) ([]fleet.QueueStatus, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	names, _ := c.names.all(ctx)
	statuses, err := c.statuses(ctx, names)
	if len(statuses) > 0 {
		return statuses, nil
	}
	return statuses, err
}

// Queue tells what a queue holds. Errors: CodeNotFound, CodeUnavailable.
func (c *Client) Queue(ctx context.Context, name string) (*fleet.QueueStatus, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := c.knows(ctx, name); err != nil {
		return nil, err
	}
	statuses, err := c.status(ctx, []string{name})
	if err != nil {
		return nil, err
	}
	return &statuses[0], nil
}

// statuses asks for each queue that can fail by itself by itself. It returns what those say that answered, and an error if
// some did not.
func (c *Client) statuses(ctx context.Context, names []string) ([]fleet.QueueStatus, error) {
	if c.lookups.cluster {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, nodeWait)
		defer cancel()
	}
	var mu sync.Mutex
	var failed error
	statuses := make([]fleet.QueueStatus, 0, len(names))
	c.inEach(names, func(names []string) {
		some, err := c.status(ctx, names)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed = err
			return
		}
		statuses = append(statuses, some...)
	})
	slices.SortFunc(statuses, func(a, b fleet.QueueStatus) int {
		return cmp.Compare(slices.Index(names, a.Name), slices.Index(names, b.Name))
	})
	return statuses, failed
}

// Pause keeps workers from taking tasks out of the queue; what runs goes on. Pausing twice is no error. Errors:
// CodeNotFound, CodeUnavailable.
func (c *Client) Pause(ctx context.Context, queue string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := c.knows(ctx, queue); err != nil {
		return err
	}
	return redisconn.Coded(c.rdb.SetNX(ctx, wire.PausedKey(queue), c.Now().Unix(), 0).Err())
}

// Resume ends a pause. Resuming a queue that is not paused is no error. Errors: CodeNotFound, CodeUnavailable.
func (c *Client) Resume(ctx context.Context, queue string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := c.knows(ctx, queue); err != nil {
		return err
	}
	if err := c.rdb.Del(ctx, wire.PausedKey(queue)).Err(); err != nil {
		return redisconn.Coded(err)
	}
	c.rdb.Publish(ctx, wire.WakeChannel, wire.OwnPrefix(queue)) // workers that it does not reach poll
	return nil
}

func (c *Client) knows(ctx context.Context, queue string) error {
	if slices.Contains(c.names.configured, queue) {
		return nil
	}
	names, err := c.names.all(ctx)
	if slices.Contains(names, queue) {
		return nil
	}
	if err != nil {
		return err
	}
	return task.NotFound("there is no queue %q", queue)
}

// status reads the sizes that Redis keeps at hand. asynq's own GetQueueInfo samples the memory of up to 120 tasks
// as well, which nobody asks for here.
func (c *Client) status(ctx context.Context, names []string) ([]fleet.QueueStatus, error) {
	now := c.Now()
	reads := make([]queueRead, len(names))
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			reads[i] = newQueueRead(ctx, p, name, now)
		}
		return nil
	})
	if redisconn.Coded(err) != nil {
		return nil, redisconn.Coded(err)
	}
	statuses := make([]fleet.QueueStatus, len(names))
	for i, name := range names {
		statuses[i] = reads[i].status(name, c.weight(name))
	}
	if err := c.setAggregating(ctx, statuses, reads); err != nil {
		return nil, err
	}
	return statuses, c.setLatencies(ctx, statuses, reads, now)
}

type queueRead struct {
	paused, groups                         *redis.IntCmd
	pending, running, scheduled, retrying  *redis.IntCmd
	parked                                 *redis.IntCmd // of those scheduled
	succeeded, archived, canceled, expired *redis.IntCmd
	processed, failed                      *redis.StringCmd
	oldest                                 *redis.StringCmd
}

func newQueueRead(ctx context.Context, p redis.Pipeliner, name string, now time.Time) queueRead {
	return queueRead{
		paused:    p.Exists(ctx, wire.PausedKey(name)),
		groups:    p.Exists(ctx, wire.GroupsKey(name), wire.SetsKey(name)),
		pending:   p.LLen(ctx, wire.PendingKey(name)),
		running:   p.LLen(ctx, wire.ActiveKey(name)),
		scheduled: p.ZCard(ctx, wire.ScheduledKey(name)),
		parked:    p.ZCount(ctx, wire.ScheduledKey(name), formatScore(wire.ParkedScore), "+inf"),
		retrying:  p.ZCard(ctx, wire.RetryKey(name)),
		succeeded: p.ZCard(ctx, wire.CompletedKey(name)),
		archived:  p.ZCard(ctx, wire.ArchivedKey(name)),
		canceled:  p.ZCard(ctx, wire.OwnPrefix(name)+string(task.Canceled)),
		expired:   p.ZCard(ctx, wire.OwnPrefix(name)+string(task.Expired)),
		processed: p.Get(ctx, wire.ProcessedKey(name)+":"+wire.Today(now)),
		failed:    p.Get(ctx, wire.FailedTotalKey(name)+":"+wire.Today(now)),
		oldest:    p.LIndex(ctx, wire.PendingKey(name), -1),
	}
}

func (r queueRead) status(name string, weight int) fleet.QueueStatus {
	return fleet.QueueStatus{
		Name:      name,
		Weight:    weight,
		Paused:    r.paused.Val() == 1,
		Pending:   int(r.pending.Val() + r.parked.Val()),
		Running:   int(r.running.Val()),
		Scheduled: int(max(0, r.scheduled.Val()-r.parked.Val())),
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

func (c *Client) setLatencies(ctx context.Context, statuses []fleet.QueueStatus, reads []queueRead, now time.Time) error {
	since := make([]*redis.StringCmd, len(statuses))
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, s := range statuses {
			if id := reads[i].oldest.Val(); id != "" {
				since[i] = p.HGet(ctx, wire.TaskKey(s.Name, id), wire.FieldPendingSince)
			}
		}
		return nil
	})
	if redisconn.Coded(err) != nil {
		return redisconn.Coded(err)
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
