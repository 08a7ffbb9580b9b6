package redisconn

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// sendOnce prevents the client of a cluster from repeating a command that may have been executed. MaxRetries alone does not
// prevent this, since go-redis counts these retries as redirects.
type sendOnce struct{}

// noRetry is a command that is not repeated after an error.
type noRetry struct{ redis.Cmder }

// NoRetry implements redis.Cmder.
func (noRetry) NoRetry() bool { return true }

// DialHook implements redis.Hook.
func (sendOnce) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (sendOnce) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return next(ctx, noRetry{cmd}) }
}

// ProcessPipelineHook implements redis.Hook.
func (sendOnce) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		once := make([]redis.Cmder, len(cmds))
		for i, cmd := range cmds {
			once[i] = noRetry{cmd}
		}
		return next(ctx, once)
	}
}
