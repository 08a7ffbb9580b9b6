package queue

import (
	"cmp"
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

// stateReads is how many tasks are asked for in one round trip.
const stateReads = 1024

// States returns the states of tasks, "" for those that are gone, whichever queue they are in. With an error, those that
// were found have a state all the same: one queue that cannot be reached does not hide those of others.
func (c *Client) States(ctx context.Context, ids []string) ([]task.State, error) {
	queues := c.QueueNames(ctx)
	refs := make([]wire.Ref, 0, len(ids)*len(queues))
	for _, id := range ids {
		for _, queue := range queues {
			refs = append(refs, wire.Ref{Queue: queue, ID: id})
		}
	}
	var err error
	found := make([]task.State, 0, len(refs))
	for some := range slices.Chunk(refs, stateReads) {
		part, failed := c.readStates(ctx, some)
		found = append(found, part...)
		err = cmp.Or(err, failed)
	}
	states := make([]task.State, len(ids))
	for i, state := range found {
		states[i/len(queues)] = cmp.Or(states[i/len(queues)], state)
	}
	if !slices.Contains(states, "") {
		return states, nil
	}
	return states, redisconn.Coded(err)
}

// readStates reads nothing else of the tasks, which may be large.
func (c *Client) readStates(ctx context.Context, refs []wire.Ref) (states []task.State, err error) {
	cmds := make([]*redis.SliceCmd, len(refs))
	_, _ = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { // each answer has its own error
		for i, f := range refs {
			cmds[i] = p.HMGet(ctx, wire.TaskKey(f.Queue, f.ID), wire.FieldState, wire.FieldOutcome)
		}
		return nil
	})
	states = make([]task.State, len(refs))
	for i, cmd := range cmds {
		values, failed := cmd.Result()
		if failed != nil {
			err = cmp.Or(err, failed)
			continue
		}
		if state, ok := values[0].(string); ok {
			outcome, _ := values[1].(string)
			states[i] = (&wire.Record{State: state, Fields: map[string]string{wire.FieldOutcome: outcome}}).TaskState()
		}
	}
	return states, err
}

// QueueNames returns the names of all queues, those of foreign clients too, or those that are known if the list of all, which
// one master of a cluster has, cannot be read.
func (c *Client) QueueNames(ctx context.Context) []string {
	names, _ := c.names.all(ctx)
	return names
}
