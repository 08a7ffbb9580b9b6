package intercept

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/redis/go-redis/v9"
)

// asynq's heartbeat writes by the clock of this machine; the lane writes the same by that of Redis. The
// heartbeat does not wait for its writes: asynq starts and ends no task while its heartbeat is busy, so a node of a cluster
// that is away would hold up the queues of all others.

// asynq draws the UUID of a server itself, and tells it nobody. The lane puts that of ours in its place, so that a worker has
// its id before its first heartbeat.

// rename returns the key of this server in the place of one that asynq would write to.
func (l *Interceptor) rename(key string) string {
	prefix, _, ok := strings.Cut(key, "{")
	if !ok {
		return key
	}
	return prefix + "{" + l.server.Name() + "}"
}

func (l *Interceptor) renameAll(keys []string) []string {
	renamed := make([]string, len(keys))
	for i, key := range keys {
		renamed[i] = l.rename(key)
	}
	return renamed
}

// amendState has what asynq writes of a server, and of the tasks that it runs, tell the UUID of this one and the time of
// Redis. args are a TTL, the server, and for each task its id and the task.
func (l *Interceptor) amendState(args []any) []any {
	offset := l.offset()
	amended := slices.Clone(args)
	for i := 1; i < len(amended); i += 2 {
		if data, ok := amended[i].([]byte); ok {
			amended[i] = l.amend(data, offset)
		}
	}
	return amended
}

// amend appends fields: of a field that a message has twice the last counts.
func (l *Interceptor) amend(data []byte, offset time.Duration) []byte {
	data = wire.AppendString(slices.Clone(data), wire.NumServerID, l.server.ID)
	r, err := wire.DecodeRunningInfo(data) // what starts a server is in the same field
	if err != nil || offset == 0 {
		return data
	}
	data = wire.AppendTimestamp(data, wire.NumServerStarted, r.StartedAt.Add(offset))
	if !r.Deadline.IsZero() {
		data = wire.AppendTimestamp(data, wire.NumRunningDeadline, r.Deadline.Add(offset))
	}
	return data
}

// offset is how far the clock of Redis is ahead of the local one, in whole seconds: asynq counts no finer.
func (l *Interceptor) offset() time.Duration { return l.clock.Ahead().Round(time.Second) }

// inRedisTime returns members whose scores, unix seconds by the local clock, are by that of Redis.
func (l *Interceptor) inRedisTime(members []redis.Z) []redis.Z {
	offset := l.offset().Seconds()
	moved := make([]redis.Z, len(members))
	for i, m := range members {
		moved[i] = redis.Z{Score: m.Score + offset, Member: m.Member}
	}
	return moved
}

// ZAdd tells how long this server is to be listed, for asynq's heartbeat.
func (l *Interceptor) ZAdd(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	if key != wire.AsynqServers && key != wire.AsynqWorkers {
		return l.UniversalClient.ZAdd(ctx, key, members...)
	}
	renamed := l.inRedisTime(members)
	for i := range renamed {
		name, _ := renamed[i].Member.(string)
		renamed[i].Member = l.rename(name)
	}
	l.extends.Go(func() {
		l.prune.Do(func() { l.forgetServers(ctx) })
		if err := l.UniversalClient.ZAdd(ctx, key, renamed...).Err(); err != nil {
			l.logger.Debug("worker not listed", "key", key, "error", err)
		}
	})
	return redis.NewIntResult(0, nil)
}

// ZRem ends the listing of this server.
func (l *Interceptor) ZRem(ctx context.Context, key string, members ...any) *redis.IntCmd {
	if key == wire.AsynqServers || key == wire.AsynqWorkers {
		for i := range members {
			name, _ := members[i].(string)
			members[i] = l.rename(name)
		}
	}
	return l.UniversalClient.ZRem(ctx, key, members...)
}

// listedFor is how long the name of a server that died stays listed at least. Stock servers list themselves by their own
// clocks, which may be wrong.
const listedFor = 24 * time.Hour

// forgetServers drops the names of servers that died long ago. Each worker that starts does so, once.
func (l *Interceptor) forgetServers(ctx context.Context) {
	before := strconv.FormatInt(l.clock.Now().Add(-listedFor).Unix(), 10)
	for _, key := range []string{wire.AsynqServers, wire.AsynqWorkers} {
		if err := l.UniversalClient.ZRemRangeByScore(ctx, key, "-inf", before).Err(); err != nil {
			l.logger.Debug("workers that died still listed", "key", key, "error", err)
		}
	}
}

// stateWriter writes what a server runs, one write at a time: while Redis is slow, writes do not pile up.
type stateWriter struct {
	loaded atomic.Bool // Redis knows the script
	busy   atomic.Bool // a write is in flight
}

// write runs asynq's script in the background once Redis is known to have it; before that asynq has to load it.
func (w *stateWriter) write(ctx context.Context, l *Interceptor, sha1 string, keys []string, args []any) *redis.Cmd {
	keys = l.renameAll(keys)
	if len(args) == 0 { // the script that ends the listing
		return l.UniversalClient.EvalSha(ctx, sha1, keys)
	}
	args = l.amendState(args)
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
