package broker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// asynq's heartbeat writes by the clock of this machine; the lane writes the same by that of Redis. The
// heartbeat does not wait for its writes: asynq starts and ends no task while its heartbeat is busy, so a node of a cluster
// that is away would hold up the queues of all others.

// inRedisTime returns members whose scores, unix seconds by the local clock, are by that of Redis.
func (l *lane) inRedisTime(members []redis.Z) []redis.Z {
	offset := time.Until(l.clock.Now()).Round(time.Second).Seconds()
	moved := make([]redis.Z, len(members))
	for i, m := range members {
		moved[i] = redis.Z{Score: m.Score + offset, Member: m.Member}
	}
	return moved
}

// ZAdd tells how long this server is to be listed, for asynq's heartbeat.
func (l *lane) ZAdd(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	if key != asynqServers && key != asynqWorkers {
		return l.UniversalClient.ZAdd(ctx, key, members...)
	}
	l.extends.Go(func() {
		if err := l.UniversalClient.ZAdd(ctx, key, l.inRedisTime(members)...).Err(); err != nil {
			l.prefetch.cfg.Logger.Debug("worker not listed", "key", key, "error", err)
		}
	})
	return redis.NewIntResult(0, nil)
}

// stateWriter writes what a server runs, one write at a time: while Redis is slow, writes do not pile up.
type stateWriter struct {
	loaded atomic.Bool // Redis knows the script
	busy   atomic.Bool // a write is in flight
}

// write runs asynq's script in the background once Redis is known to have it; before that asynq has to load it.
func (w *stateWriter) write(ctx context.Context, l *lane, sha1 string, keys []string, args []any) *redis.Cmd {
	if len(args) == 0 { // the script that ends the listing
		return l.UniversalClient.EvalSha(ctx, sha1, keys)
	}
	if !w.loaded.Load() {
		cmd := l.UniversalClient.EvalSha(ctx, sha1, keys, args...)
		w.loaded.Store(cmd.Err() == nil)
		return cmd
	}
	if w.busy.CompareAndSwap(false, true) {
		l.extends.Go(func() {
			defer w.busy.Store(false)
			if redis.HasErrorPrefix(l.UniversalClient.EvalSha(ctx, sha1, keys, args...).Err(), "NOSCRIPT") {
				w.loaded.Store(false)
			}
		})
	}
	done := redis.NewCmd(ctx)
	done.SetVal("OK")
	return done
}
