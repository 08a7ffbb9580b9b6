package redisconn

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backbeat-go/backbeat/internal/pause"

	"github.com/redis/go-redis/v9"
)

const (
	// resubscribeAfter is how long a subscription waits before it opens another connection.
	resubscribeAfter = 100 * time.Millisecond

	// pingInterval is the time without data after which a subscription sends a PING, and the time to wait for the reply.
	pingInterval = 3 * time.Second
)

// Subscribe subscribes to the channels until ctx ends. It calls receive with a *redis.Message for each message, and with a
// *redis.Subscription for each channel at the start and after each reconnection. Messages that are published without a
// connection are lost, so receivers must poll when they get a *redis.Subscription.
func Subscribe(ctx context.Context, rdb redis.UniversalClient, receive func(received any), channels ...string) {
	for ctx.Err() == nil {
		if node, err := subscribable(ctx, rdb); err == nil {
			receiveFrom(ctx, node.Subscribe(ctx, channels...), receive)
		}
		pause.For(ctx, resubscribeAfter)
	}
}

// subscribable returns the client to subscribe with. In a cluster this is the client of a random master that replies.
func subscribable(ctx context.Context, rdb redis.UniversalClient) (redis.UniversalClient, error) {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		return rdb, nil
	}
	masters, err := liveMasters(ctx, cluster)
	if err == nil && len(masters) == 0 {
		err = errors.New("no master of the cluster replies")
	}
	if err != nil {
		return nil, err
	}
	return masters[rand.IntN(len(masters))], nil
}

// liveMasters returns the clients of the masters that reply to a PING within slotsTimeout.
func liveMasters(ctx context.Context, cluster *redis.ClusterClient) ([]*redis.Client, error) {
	var mu sync.Mutex
	var masters []*redis.Client
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		if master.WithTimeout(slotsTimeout).Ping(ctx).Err() == nil {
			mu.Lock()
			defer mu.Unlock()
			masters = append(masters, master)
		}
		return nil // the other masters are enough
	})
	return masters, err
}

// receiveFrom calls receive until the connection is lost or ctx ends.
func receiveFrom(ctx context.Context, pubsub *redis.PubSub, receive func(received any)) {
	defer pubsub.Close()
	// Receive does not watch its context while it reads.
	defer context.AfterFunc(ctx, func() { pubsub.Close() })()
	health := &health{pubsub: pubsub}
	defer health.start(ctx)()
	for {
		health.waiting.Store(true)
		received, err := pubsub.Receive(ctx)
		health.waiting.Store(false)
		if err != nil {
			return
		}
		health.received.Store(true)
		if _, pong := received.(*redis.Pong); !pong {
			receive(received)
		}
	}
}

// health closes a subscription whose connection is dead but returns no error.
type health struct {
	pubsub   *redis.PubSub
	waiting  atomic.Bool // Receive is in progress, rather than the receiver's function
	received atomic.Bool // data has arrived since the last check
}

// start starts the checks. The function that it returns stops them and waits for their end.
func (h *health) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (h *health) run(ctx context.Context) {
	for pinged := false; ; {
		pause.For(ctx, pingInterval)
		switch {
		case ctx.Err() != nil:
			return
		case h.received.Swap(false) || !h.waiting.Load():
			pinged = false
		case pinged || h.pubsub.Ping(ctx) != nil:
			h.pubsub.Close() // Receive returns
			return
		default:
			pinged = true
		}
	}
}
