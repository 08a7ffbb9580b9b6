package redisconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// slotsTimeout is how long a node may take to tell the slots of its cluster before another one is asked.
const slotsTimeout = 500 * time.Millisecond

// nodeHook makes the client of a cluster ask for its slots when the node fails: another may have been elected.
type nodeHook struct{ cluster *redis.ClusterClient }

// DialHook implements redis.Hook.
func (h *nodeHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		h.heed(ctx, err)
		return conn, err
	}
}

// ProcessHook implements redis.Hook.
func (h *nodeHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if slots, ok := cmd.(*redis.ClusterSlotsCmd); ok {
			return processSlots(ctx, slots, next)
		}
		err := next(ctx, cmd)
		h.heed(ctx, err)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h *nodeHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		h.heed(ctx, err)
		return err
	}
}

// heed has the slots loaded if the node did not answer. The cluster's client does that at most five times a second.
func (h *nodeHook) heed(ctx context.Context, err error) {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, redis.ErrClosed) {
		return
	}
	if _, answered := errors.AsType[redis.Error](err); answered && !redis.IsReadOnlyError(err) && !redis.IsClusterDownError(err) {
		return
	}
	h.cluster.ReloadState(ctx)
}

// processSlots sends CLUSTER SLOTS. go-redis asks one node after another, and would wait for one that hangs.
func processSlots(ctx context.Context, cmd *redis.ClusterSlotsCmd, next redis.ProcessHook) error {
	// A command of its own, because an answer that comes too late must not be written into one that others read by then.
	own := redis.NewClusterSlotsCmd(ctx, cmd.Args()...)
	done := make(chan error, 1)
	go func() { done <- next(ctx, own) }() // ends with the node's time-out, or when the client is closed
	timeout := time.NewTimer(slotsTimeout)
	defer timeout.Stop()
	select {
	case err := <-done:
		cmd.SetVal(own.Val())
		return err
	case <-timeout.C:
		return fmt.Errorf("no answer to CLUSTER SLOTS within %s", slotsTimeout)
	}
}
