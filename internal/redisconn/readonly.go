package redisconn

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// readOnlyHook drops the idle connections to a server that has become a replica, once it has refused a command: the same
// address may lead to the new primary now. go-redis drops only the connection of that command, and in a pipeline only if
// it is the first command.
type readOnlyHook struct {
	client   *redis.Client
	dropping atomic.Bool
}

// DialHook implements redis.Hook.
func (h *readOnlyHook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (h *readOnlyHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if redis.IsReadOnlyError(err) {
			h.drop(ctx)
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h *readOnlyHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if slices.ContainsFunc(cmds, func(cmd redis.Cmder) bool { return redis.IsReadOnlyError(cmd.Err()) }) {
			h.drop(ctx)
		}
		return err
	}
}

// drop sends a write without effect over each idle connection, until one succeeds. go-redis closes those that fail.
func (h *readOnlyHook) drop(ctx context.Context) {
	if !h.dropping.CompareAndSwap(false, true) {
		return
	}
	defer h.dropping.Store(false)
	for range h.client.PoolStats().IdleConns {
		if err := h.client.Del(ctx, "backbeat:{backbeat}:ready").Err(); !redis.IsReadOnlyError(err) {
			return
		}
	}
}
