package broker

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/redisconn"
)

// listen hears which queues have something to do, which have something due, and which callbacks are to be made. After a
// lost connection anything may have been missed, so everything is looked at.
func (s *Server) listen(ctx context.Context) {
	redisconn.Subscribe(ctx, s.rdb, func(received any) {
		switch m := received.(type) {
		case *redis.Subscription:
			s.lane.wake("")
			s.maintainer.wakeAll()
		case *redis.Message:
			queue := queueOfOwnPrefix(m.Payload)
			switch m.Channel {
			case wakeChannel:
				s.lane.wake(queue)
			case dueChannel:
				s.maintainer.wake(queue, jobForward)
			case promisesChannel:
				s.maintainer.wake(queue, jobRelay)
			}
		}
	}, wakeChannel, dueChannel, promisesChannel)
}
