package queue

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redisconn"
)

const (
	// namesWait bounds the wait for the set of asynq's queues, which may be on a node of its own.
	namesWait = 500 * time.Millisecond
	// namesPause is how long nobody asks for that set after it was out of reach.
	namesPause = 2 * time.Second
	// reannounceInterval is how often asynq's tools are told again of a queue that is in use.
	reannounceInterval = 5 * time.Second
)

// names knows which queues there are: those of the configuration, and those that other clients have announced.
type names struct {
	rdb        redis.UniversalClient
	configured []string

	mu        sync.Mutex
	found     []string             // as it was read last, sorted
	err       error                // why it was out of reach the last time, nil if it was not
	failed    time.Time            // when that was
	announced map[string]time.Time // by queue, when that was last tried
}

func newNames(rdb redis.UniversalClient, queues []fleet.Queue) *names {
	n := &names{rdb: rdb, announced: make(map[string]time.Time)}
	for _, q := range queues {
		n.configured = append(n.configured, q.Name)
	}
	return n
}

// all returns the configured queues and then those that only foreign clients use, sorted. With an error it returns those
// that are known.
func (n *names) all(ctx context.Context) ([]string, error) {
	n.mu.Lock()
	found, err := n.found, n.err
	ask := !n.away()
	n.mu.Unlock()
	if ask {
		found, err = n.read(ctx)
	}
	all := slices.Clone(n.configured)
	for _, name := range found {
		if !slices.Contains(n.configured, name) {
			all = append(all, name)
		}
	}
	return all, redisconn.Coded(err)
}

// away reports whether the set was out of reach a moment ago. The lock is held.
func (n *names) away() bool { return n.err != nil && time.Since(n.failed) < namesPause }

func (n *names) read(ctx context.Context) ([]string, error) {
	// A caller who is in a hurry says nothing of the node, which all callers would take to be away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), namesWait)
	defer cancel()
	found, err := n.rdb.SMembers(ctx, wire.AsynqQueues).Result()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.note(err)
	if err == nil {
		slices.Sort(found)
		n.found = found
	}
	return n.found, err
}

// note notes whether the set could be reached. The lock is held.
func (n *names) note(err error) { n.err, n.failed = err, time.Now() }

// announce tells asynq's tools that there is such a queue, again and again, for they forget it when somebody deletes the queue
// or empties Redis. It is of no consequence for the queue itself whether they hear of it.
func (n *names) announce(ctx context.Context, queue string) {
	n.mu.Lock()
	due := time.Since(n.announced[queue]) > reannounceInterval && !n.away()
	if due {
		n.announced[queue] = time.Now()
	}
	n.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), namesWait)
	defer cancel()
	if err := n.rdb.SAdd(ctx, wire.AsynqQueues, queue).Err(); err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.note(err)
		delete(n.announced, queue)
	}
}

// Announce tells asynq's tools that a queue is in use; see Client.Enqueue, which does so itself.
func (c *Client) Announce(ctx context.Context, queue string) { c.names.announce(ctx, queue) }
