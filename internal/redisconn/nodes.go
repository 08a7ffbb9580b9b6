package redisconn

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Nodes tells which node of a cluster has a key, and looks for keys of one node. A single server is one node.
type Nodes struct {
	rdb     redis.UniversalClient
	cluster *redis.ClusterClient // rdb, if it is one
}

// NewNodes returns the nodes that a client knows.
func NewNodes(rdb redis.UniversalClient) Nodes {
	cluster, _ := rdb.(*redis.ClusterClient)
	return Nodes{rdb, cluster}
}

// Several reports whether the client is that of a cluster.
func (n Nodes) Several() bool { return n.cluster != nil }

// Of names the node that has the key: "" for a single server, and the key itself while its node is not known.
func (n Nodes) Of(ctx context.Context, key string) string {
	if n.cluster == nil {
		return ""
	}
	master, err := n.cluster.MasterForKey(ctx, key)
	if err != nil {
		return key
	}
	return master.Options().Addr
}

// Existence is whether a key exists, or why that is not known.
type Existence struct {
	Exists bool
	Err    error
}

// Exist looks for keys of one node. On a single server one command is enough if none exists, or all do.
func (n Nodes) Exist(ctx context.Context, keys []string) []Existence {
	found := make([]Existence, len(keys))
	if n.cluster != nil {
		n.existEach(ctx, keys, found)
	} else if err := n.existAny(ctx, keys, found); err != nil {
		for i := range found {
			found[i].Err = err
		}
	}
	return found
}

func (n Nodes) existEach(ctx context.Context, keys []string, found []Existence) {
	cmds, _ := n.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error { // the errors are in the commands
		for _, key := range keys {
			pipe.Exists(ctx, key)
		}
		return nil
	})
	for i, cmd := range cmds {
		count, err := cmd.(*redis.IntCmd).Result()
		found[i] = Existence{count > 0, err}
	}
}

// existAny halves the keys until all of a part exist or none.
func (n Nodes) existAny(ctx context.Context, keys []string, found []Existence) error {
	count, err := n.rdb.Exists(ctx, keys...).Result()
	if err != nil || count == 0 {
		return err
	}
	if int(count) == len(keys) {
		for i := range found {
			found[i].Exists = true
		}
		return nil
	}
	half := len(keys) / 2
	if err := n.existAny(ctx, keys[:half], found[:half]); err != nil {
		return err
	}
	return n.existAny(ctx, keys[half:], found[half:])
}
