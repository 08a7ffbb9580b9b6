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

	// pingInterval is how long a subscription hears nothing before it sends a PING, and how long it waits for the answer.
	pingInterval = 3 * time.Second
)

// Subscribe calls receive with everything that arrives on the channels until ctx ends: a *redis.Message for a message, and a
// *redis.Subscription for each channel at first and again after each lost connection. Messages that are published while there
// is no connection are lost, so receivers must poll when they see a *redis.Subscription.
func Subscribe(ctx context.Context, rdb redis.UniversalClient, receive func(received any), channels ...string) {
	for ctx.Err() == nil {
		if node, err := subscribable(ctx, rdb); err == nil {
			receiveFrom(ctx, node.Subscribe(ctx, channels...), receive)
		}
		pause.For(ctx, resubscribeAfter)
	}
}

// subscribable returns the client to subscribe with: in a cluster, that of any master that answers.
func subscribable(ctx context.Context, rdb redis.UniversalClient) (redis.UniversalClient, error) {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		return rdb, nil
	}
	masters, err := answering(ctx, cluster)
	if err == nil && len(masters) == 0 {
		err = errors.New("no master of the cluster answers")
	}
	if err != nil {
		return nil, err
	}
	return masters[rand.IntN(len(masters))], nil
}

// answering returns the clients of those masters that answer a PING in a short time.
func answering(ctx context.Context, cluster *redis.ClusterClient) ([]*redis.Client, error) {
	var mu sync.Mutex
	var masters []*redis.Client
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		if master.WithTimeout(slotsTimeout).Ping(ctx).Err() == nil {
			mu.Lock()
			defer mu.Unlock()
			masters = append(masters, master)
		}
		return nil // the others will do
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
		health.heard.Store(true)
		if _, pong := received.(*redis.Pong); !pong {
			receive(received)
		}
	}
}

// health closes a subscription whose connection has died without a word.
type health struct {
	pubsub  *redis.PubSub
	waiting atomic.Bool // for something to arrive, rather than for the receiver
	heard   atomic.Bool // something has arrived since the last check
}

// start checks until the function that it returns is called, which waits for the end of the checks.
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
	for asked := false; ; {
		pause.For(ctx, pingInterval)
		switch {
		case ctx.Err() != nil:
			return
		case h.heard.Swap(false) || !h.waiting.Load():
			asked = false
		case asked || h.pubsub.Ping(ctx) != nil:
			h.pubsub.Close() // which ends Receive
			return
		default:
			asked = true
		}
	}
}
