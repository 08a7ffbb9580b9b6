package redisconn

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// reloadInterval is how old a client's knowledge of the slots of a cluster may be.
const reloadInterval = time.Second

// New returns a client of a server, of a server that Sentinels name, or of a cluster.
func New(opts *redis.UniversalOptions) redis.UniversalClient {
	if !opts.IsClusterMode {
		client := redis.NewUniversalClient(opts)
		if single, ok := client.(*redis.Client); ok {
			single.AddHook(&readOnlyHook{client: single})
		}
		return client
	}
	clusterOpts := opts.Cluster()
	clusterOpts.ClusterStateReloadInterval = reloadInterval
	cluster := redis.NewClusterClient(clusterOpts)
	cluster.OnNewNode(func(node *redis.Client) { node.AddHook(&nodeHook{cluster}) })
	if opts.MaxRetries < 0 {
		cluster.AddHook(sendOnce{})
	}
	return cluster
}
