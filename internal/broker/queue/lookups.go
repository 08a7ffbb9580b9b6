package queue

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/batch"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

// lookupBatch is how many lookups go to Redis at once.
const lookupBatch = 64

// lookups reads tasks for many who ask at the same time: a busy API asks Redis seldom and for much, which takes half the
// time of asking for each. On a cluster each queue is asked by itself, so that a node which does not answer holds up only
// those who ask for its queues.
type lookups struct {
	rdb     redis.UniversalClient
	cluster bool
	queues  *batch.ByQueue[*lookup] // on a single server there is one batcher for all, that of ""
}

// lookup is one who asks.
type lookup struct {
	refs    []wire.Ref
	cmds    []*redis.SliceCmd
	answers chan<- *lookup // has room for it
}

func newLookups(rdb redis.UniversalClient) *lookups {
	_, cluster := rdb.(*redis.ClusterClient)
	l := &lookups{rdb: rdb, cluster: cluster}
	l.queues = batch.NewByQueue(func(string) *batch.Batcher[*lookup] {
		return &batch.Batcher[*lookup]{MaxItems: lookupBatch, Write: l.readAll}
	})
	return l
}

func (l *lookups) close() { l.queues.Close() }

// ask begins to look for a task in queues. The channel gets as many answers as it has room for.
func (l *lookups) ask(id string, queues []string) <-chan *lookup {
	groups := l.groups(queues)
	answers := make(chan *lookup, len(groups))
	for _, group := range groups {
		one := &lookup{refs: make([]wire.Ref, len(group)), answers: answers}
		for i, queue := range group {
			one.refs[i] = wire.Ref{Queue: queue, ID: id}
		}
		l.batcher(group[0]).Add(one)
	}
	return answers
}

// groups divides queues into those that are asked together: all, or on a cluster each by itself.
func (l *lookups) groups(queues []string) [][]string {
	if len(queues) == 0 {
		return nil
	}
	if !l.cluster {
		return [][]string{queues}
	}
	groups := make([][]string, len(queues))
	for i := range queues {
		groups[i] = queues[i : i+1]
	}
	return groups
}

func (l *lookups) batcher(queue string) *batch.Batcher[*lookup] {
	if !l.cluster {
		queue = ""
	}
	return l.queues.Of(queue)
}

func (l *lookups) readAll(batch []*lookup) {
	ctx, cancel := bounded(context.Background())
	defer cancel()
	// Each command has its own error: a key of a wrong type spoils the lookup of its own task, not those of others.
	_, _ = l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, one := range batch {
			one.cmds = appendReads(ctx, p, one.refs, wire.RecordFields)
		}
		return nil
	})
	for _, one := range batch {
		one.answers <- one
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

func appendReads(ctx context.Context, p redis.Pipeliner, refs []wire.Ref, fields []string) []*redis.SliceCmd {
	cmds := make([]*redis.SliceCmd, len(refs))
	for i, f := range refs {
		cmds[i] = p.HMGet(ctx, wire.TaskKey(f.Queue, f.ID), fields...)
	}
	return cmds
}

// inEach calls f at the same time for each group of queues that are asked together, and waits for all.
func (c *Client) inEach(queues []string, f func(queues []string)) {
	groups := c.lookups.groups(queues)
	if len(groups) == 1 {
		f(groups[0])
		return
	}
	var calls sync.WaitGroup
	for _, group := range groups {
		calls.Go(func() { f(group) })
	}
	calls.Wait()
}
