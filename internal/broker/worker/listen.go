package worker

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redisconn"
)

// listen subscribes to the channels that say which queues have something to do, which have something due, and which have ends
// in an outbox. Messages may be lost with the connection, so everything is polled once there is a new one.
func (s *Server) listen(ctx context.Context) {
	redisconn.Subscribe(ctx, s.rdb, func(received any) {
		switch m := received.(type) {
		case *redis.Subscription:
			s.interceptor.Wake("")
			s.maintainer.wakeAll()
		case *redis.Message:
			queue := wire.QueueOfOwnPrefix(m.Payload)
			switch m.Channel {
			case wire.WakeChannel:
				s.interceptor.Wake(queue)
			case wire.DueChannel:
				if queue == "" { // from a test that has moved the time: anything may be due
					s.maintainer.wakeAll()
				} else {
					s.maintainer.wake(queue, jobForward)
				}
			case wire.OutboxChannel:
				if _, kind := wire.OutboxOf(m.Payload); kind == wire.Callbacks {
					s.maintainer.wake(queue, jobRelay)
				}
			}
		}
	}, wire.WakeChannel, wire.DueChannel, wire.OutboxChannel)
}
