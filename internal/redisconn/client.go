package redisconn

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// reloadInterval is the longest time between two reloads of the slots of a cluster in use.
const reloadInterval = time.Second

// New returns a client of a single server, of a master behind Sentinels, or of a cluster.
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
