package worker

import (
	"context"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/redis/go-redis/v9"
)

// listen hears which queues have something to do, which have something due, and which callbacks are to be made. After a
// lost connection anything may have been missed, so everything is looked at.
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
				s.maintainer.wake(queue, jobForward)
			case wire.PromisesChannel:
				s.maintainer.wake(queue, jobRelay)
			}
		}
	}, wire.WakeChannel, wire.DueChannel, wire.PromisesChannel)
}
