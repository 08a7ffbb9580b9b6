package broker

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// lookupBatch is how many lookups go to Redis at once.
const lookupBatch = 64

// lookups reads tasks for many who ask at the same time. While Redis answers one batch, those who come meanwhile make the
// next, as with the enqueuer: a busy API asks Redis seldom and for much, which takes half the time of asking for each.
type lookups struct {
	rdb    redis.UniversalClient
	flying sync.WaitGroup

	mu      sync.Mutex
	waiting []*lookup
	flights int // batches under way: one, and a second while there is enough for a full one
}

// lookup is one who asks.
type lookup struct {
	refs []ref
	cmds []*redis.SliceCmd
	done chan error
}

func (l *lookups) close() { l.flying.Wait() }

// read returns the fields of tasks as HMGET does. If ctx ends first, so does the waiting.
func (l *lookups) read(ctx context.Context, refs []ref) ([]*redis.SliceCmd, error) {
	one := &lookup{refs: refs, done: make(chan error, 1)}
	l.mu.Lock()
	l.waiting = append(l.waiting, one)
	if l.flights == 0 || l.flights == 1 && len(l.waiting) >= lookupBatch {
		l.flights++
		l.flying.Go(l.fly)
	}
	l.mu.Unlock()
	select {
	case err := <-one.done:
		return one.cmds, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *lookups) fly() {
	for batch := l.take(); len(batch) > 0; batch = l.take() {
		// Each command has its own error: a key of a wrong type spoils the lookup of its own task, not those of others.
		_, _ = l.rdb.Pipelined(context.Background(), func(p redis.Pipeliner) error {
			for _, one := range batch {
				one.cmds = appendReads(context.Background(), p, one.refs)
			}
			return nil
		})
		for _, one := range batch {
			one.done <- one.err()
		}
	}
}

func (one *lookup) err() error {
	for _, cmd := range one.cmds {
		if err := cmd.Err(); err != nil {
			return err
		}
	}
	return nil
}

// take returns the next batch. When there is none, the flight is over.
func (l *lookups) take() []*lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), lookupBatch)
	batch := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	if n == 0 {
		l.flights--
		l.waiting = nil // and with it what it was cut from
	}
	return batch
}

func appendReads(ctx context.Context, p redis.Pipeliner, refs []ref) []*redis.SliceCmd {
	cmds := make([]*redis.SliceCmd, len(refs))
	for i, f := range refs {
		cmds[i] = p.HMGet(ctx, taskKey(f.queue, f.id), recordFields...)
	}
	return cmds
}
