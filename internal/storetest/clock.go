package storetest

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// SetClock is a hook of a client, to which the time of Redis is another. It changes what the script that asks for the
// time answers, and nothing else.
type SetClock struct{ seconds atomic.Int64 }

// By sets the clock by so much, in whole seconds, from what it really is.
func (s *SetClock) By(d time.Duration) { s.seconds.Store(int64(d / time.Second)) }

// DialHook changes nothing.
func (*SetClock) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook changes nothing.
func (*SetClock) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook changes answers that are a time.
func (s *SetClock) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		reply, ok := cmd.(*redis.Cmd)
		if !ok || err != nil {
			return err
		}
		if list, err := reply.StringSlice(); err == nil && len(list) == 2 {
			if seconds, err := strconv.ParseInt(list[0], 10, 64); err == nil {
				reply.SetVal([]any{strconv.FormatInt(seconds+s.seconds.Load(), 10), list[1]})
			}
		}
		return nil
	}
}
