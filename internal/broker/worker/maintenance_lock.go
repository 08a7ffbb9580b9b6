package worker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

const (
	// maintenanceTerm is how long after its last sign a maintainer counts as gone.
	maintenanceTerm = 3 * time.Second
	// releaseWait bounds how long a worker that stops tries to give up its lock.
	releaseWait = time.Second
)

// maintenanceLock spares workers that serve the same queues to all maintain them. Nothing depends on it but what that costs: a
// queue may be maintained by two, and each worker that cannot reach the lock maintains.
//
// In a cluster there is one lock for the queues of each node, in a slot of theirs: whoever reaches it reaches them.
type maintenanceLock struct {
	rdb   redis.UniversalClient
	token string
	kind  string // workers of another kind do not do all that these do

	mu   *sync.Mutex
	held map[string]string // keys by node
}

func newMaintenanceLock(rdb redis.UniversalClient, callbacks bool) maintenanceLock {
	kind := ""
	if callbacks {
		kind = "callbacks"
	}
	return maintenanceLock{rdb, uuid.NewString(), kind, new(sync.Mutex), make(map[string]string)}
}

// hold takes or extends the lock for the queues, and reports whether this worker has it.
func (l maintenanceLock) hold(ctx context.Context, node string, queues []*upkeep) (bool, error) {
	key := l.key(queues)
	if l.heldKey(node) == key {
		switch holder, err := l.rdb.GetEx(ctx, key, maintenanceTerm).Result(); {
		case err == nil && holder == l.token:
			return true, nil
		case err == nil:
			l.note(node, "")
			return false, nil
		case !errors.Is(err, redis.Nil):
			return false, err
		}
	}
	held, err := l.take(ctx, key)
	if held {
		l.note(node, key)
	} else {
		l.note(node, "")
	}
	return held, err
}

// errNoLock says that the key of the lock is something that does not end by itself.
var errNoLock = errors.New("the key of the lock has no end")

func (l maintenanceLock) take(ctx context.Context, key string) (bool, error) {
	pipe := l.rdb.Pipeline()
	set, ttl := pipe.SetNX(ctx, key, l.token, maintenanceTerm), pipe.PTTL(ctx, key)
	if _, err := pipe.Exec(ctx); err != nil {
		return false, err
	}
	if ttl.Val() == -1 { // without a unit, go-redis says
		return false, errNoLock
	}
	return set.Val(), nil
}

// key names the lock for the queues, which are sorted.
func (l maintenanceLock) key(queues []*upkeep) string {
	h := fnv.New64a()
	h.Write([]byte(l.kind)) // a hash takes everything
	for _, u := range queues {
		h.Write([]byte("\n" + u.name))
	}
	return wire.MaintainerKey(queues[0].name, fmt.Sprintf("%016x", h.Sum64()))
}

func (l maintenanceLock) heldKey(node string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[node]
}

func (l maintenanceLock) note(node, key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if key == "" {
		delete(l.held, node)
	} else {
		l.held[node] = key
	}
}

// release gives up what is held. Another worker asks for it within a second.
func (l maintenanceLock) release(ctx context.Context) {
	if len(l.held) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWait)
	defer cancel()
	_, _ = l.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error { // else it ends by itself
		for _, key := range l.held {
			pipe.Del(ctx, key)
		}
		return nil
	})
}
