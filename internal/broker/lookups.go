package broker

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// lookupBatch is how many lookups go to Redis at once.
const lookupBatch = 64

// lookups reads tasks for many who ask at the same time: a busy API asks Redis seldom and for much, which takes half the
// time of asking for each.
type lookups struct{ batcher[*lookup] }

// lookup is one who asks.
type lookup struct {
	refs []ref
	cmds []*redis.SliceCmd
	done chan error
}

func newLookups(rdb redis.UniversalClient) *lookups {
	return &lookups{batcher[*lookup]{most: lookupBatch, write: func(batch []*lookup) { readAll(rdb, batch) }}}
}

// read returns the fields of tasks as HMGET does. If ctx ends first, so does the waiting.
func (l *lookups) read(ctx context.Context, refs []ref) ([]*redis.SliceCmd, error) {
	one := &lookup{refs: refs, done: make(chan error, 1)}
	l.add(one)
	select {
	case err := <-one.done:
		return one.cmds, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func readAll(rdb redis.UniversalClient, batch []*lookup) {
	// Each command has its own error: a key of a wrong type spoils the lookup of its own task, not those of others.
	_, _ = rdb.Pipelined(context.Background(), func(p redis.Pipeliner) error {
		for _, one := range batch {
			one.cmds = appendReads(context.Background(), p, one.refs)
		}
		return nil
	})
	for _, one := range batch {
		one.done <- one.err()
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

func appendReads(ctx context.Context, p redis.Pipeliner, refs []ref) []*redis.SliceCmd {
	cmds := make([]*redis.SliceCmd, len(refs))
	for i, f := range refs {
		cmds[i] = p.HMGet(ctx, taskKey(f.queue, f.id), recordFields...)
	}
	return cmds
}
