package broker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// subscribe calls receive with everything that arrives on the channels until ctx ends: a *redis.Message for a message, and a
// *redis.Subscription once at first and once after each lost connection, since go-redis subscribes again by itself. Messages
// published while there was no connection are lost, so receivers must poll when they see a *redis.Subscription.
func subscribe(ctx context.Context, rdb redis.UniversalClient, receive func(received any), channels ...string) {
	pubsub := rdb.Subscribe(ctx, channels...)
	defer pubsub.Close()
	// Receive does not watch its context while it reads.
	defer context.AfterFunc(ctx, func() { pubsub.Close() })()
	for ctx.Err() == nil {
		received, err := pubsub.Receive(ctx)
		if err != nil {
			pause(ctx, 100*time.Millisecond) // Redis is away
			continue
		}
		receive(received)
	}
}
