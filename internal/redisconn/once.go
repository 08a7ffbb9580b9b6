package redisconn

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// sendOnce keeps the client of a cluster from sending a command again of which it does not know whether it was carried out.
// MaxRetries alone does not, since go-redis counts these retries among the redirects.
type sendOnce struct{}

// noRetry is a command that is not sent again after an error.
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
