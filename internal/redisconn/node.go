package redisconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// slotsTimeout is how long a node may take to reply to CLUSTER SLOTS before the next node is asked.
const slotsTimeout = 500 * time.Millisecond

// nodeHook makes the client of a cluster reload the slots when its node fails: another master may have been elected.
type nodeHook struct{ cluster *redis.ClusterClient }

// DialHook implements redis.Hook.
func (h *nodeHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		h.reloadAfter(ctx, err)
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
		h.reloadAfter(ctx, err)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h *nodeHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		h.reloadAfter(ctx, err)
		return err
	}
}

// reloadAfter reloads the slots if err means that the node did not reply. The cluster's client limits reloads to five per
// second.
func (h *nodeHook) reloadAfter(ctx context.Context, err error) {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, redis.ErrClosed) {
		return
	}
	if _, replied := errors.AsType[redis.Error](err); replied && !redis.IsReadOnlyError(err) && !redis.IsClusterDownError(err) {
		return
	}
	h.cluster.ReloadState(ctx)
}

// processSlots sends CLUSTER SLOTS with a short time-out. go-redis asks one node after another, and would wait for a node
// that hangs.
func processSlots(ctx context.Context, cmd *redis.ClusterSlotsCmd, next redis.ProcessHook) error {
	// A copy of the command, because a late reply must not be written to cmd while the caller reads it.
	own := redis.NewClusterSlotsCmd(ctx, cmd.Args()...)
	done := make(chan error, 1)
	go func() { done <- next(ctx, own) }() // returns after the node's time-out, or when the client is closed
	timeout := time.NewTimer(slotsTimeout)
	defer timeout.Stop()
	select {
	case err := <-done:
		cmd.SetVal(own.Val())
		return err
	case <-timeout.C:
		return fmt.Errorf("no reply to CLUSTER SLOTS within %s", slotsTimeout)
	}
}
