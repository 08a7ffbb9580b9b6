package broker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// listen hears which queues have something to do, and which have something due. After a lost connection anything may
// have been missed, so everything is looked at.
func (s *Server) listen(ctx context.Context) {
	pubsub := s.rdb.Subscribe(ctx, wakeChannel, dueChannel)
	defer pubsub.Close()
	// Receive does not watch its context while it reads.
	defer context.AfterFunc(ctx, func() { pubsub.Close() })()
	for ctx.Err() == nil {
		received, err := pubsub.Receive(ctx)
		switch m := received.(type) {
		case *redis.Subscription:
			s.lane.prefetch.wake("")
			s.due.ring("")
		case *redis.Message:
			if m.Channel == wakeChannel {
				s.lane.prefetch.wake(queueOfOwnPrefix(m.Payload))
			} else {
				s.due.ring(queueOfOwnPrefix(m.Payload))
			}
		}
		if err != nil {
			pause(ctx, 100*time.Millisecond) // Redis is away
		}
	}
}
