package intercept

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

// asynq's heartbeat writes in the time of this machine; the interceptor writes the same in the time of Redis. The heartbeat
// does not wait for its writes: asynq starts and ends no task while its heartbeat is busy, so a node of a cluster that is
// away would hold up the queues of all others.
//
// asynq draws the UUID of a server itself and does not reveal it. The interceptor replaces it by the one of this worker, so
// that a worker has its id before its first heartbeat.

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

// amendState puts the worker's own UUID and the time of Redis into the state of a server. args are a TTL, the server, and
// for each running task its id and the task.
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

// ZAdd lists this server for some seconds more, for asynq's heartbeat.
func (l *Interceptor) ZAdd(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	if operations.find(viaZAdd, []string{key}).do != listServer {
		return redis.NewIntResult(0, l.refusals.refuse("ZADD", key))
	}
	renamed := l.inRedisTime(members)
	for i := range renamed {
		name, _ := renamed[i].Member.(string)
		renamed[i].Member = l.rename(name)
	}
	l.extends.Go(func() {
		l.prune.Do(func() { l.forgetServers(ctx) })
		if err := l.rdb.ZAdd(ctx, key, renamed...).Err(); err != nil {
			l.logger.Debug("worker not listed", "key", key, "error", err)
		}
	})
	return redis.NewIntResult(0, nil)
}

// ZRem ends the listing of this server.
func (l *Interceptor) ZRem(ctx context.Context, key string, members ...any) *redis.IntCmd {
	if operations.find(viaZRem, []string{key}).do != listServer {
		return redis.NewIntResult(0, l.refusals.refuse("ZREM", key))
	}
	renamed := make([]any, len(members))
	for i := range members {
		name, _ := members[i].(string)
		renamed[i] = l.rename(name)
	}
	return l.rdb.ZRem(ctx, key, renamed...)
}

// ZAddXX extends leases for asynq's heartbeat, which neither waits for that nor learns that it failed. A lease shows other
// workers that this one lives, and they draw no conclusion from it while Redis is away. But asynq would abandon an attempt
// whose lease it could not extend, with all that it has done. If this worker alone is cut off, its tasks run elsewhere, and
// finish.lua drops what it writes of them later.
func (l *Interceptor) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	if operations.find(viaZAddXX, []string{key}).do != extendLeases {
		return redis.NewIntResult(0, l.refusals.refuse("ZADD XX", key))
	}
	l.extends.Go(func() {
		if err := l.rdb.ZAddXX(ctx, key, l.inRedisTime(members)...).Err(); err != nil {
			l.logger.Debug("leases not extended", "key", key, "error", err)
		}
	})
	return redis.NewIntResult(0, nil)
}

// listedFor is for how long at least the name of a dead server stays listed. Stock servers list themselves in the time of
// their own clocks, which may be wrong.
const listedFor = 24 * time.Hour

// forgetServers drops the names of servers that died long ago. Each worker does so once, when it starts.
func (l *Interceptor) forgetServers(ctx context.Context) {
	before := strconv.FormatInt(l.clock.Now().Add(-listedFor).Unix(), 10)
	for _, key := range []string{wire.AsynqServers, wire.AsynqWorkers} {
		if err := l.rdb.ZRemRangeByScore(ctx, key, "-inf", before).Err(); err != nil {
			l.logger.Debug("dead workers are still listed", "key", key, "error", err)
		}
	}
}

// stateWriter writes what a server runs, one write at a time: while Redis is slow, writes do not accumulate.
type stateWriter struct {
	loaded atomic.Bool // Redis knows the script
	busy   atomic.Bool // a write is in flight
}

// write runs asynq's script in the background once Redis is known to have it; before that asynq has to load it.
func (w *stateWriter) write(ctx context.Context, l *Interceptor, c scriptCall) *redis.Cmd {
	c.keys = l.renameAll(c.keys)
	if len(c.args) == 0 { // the script that ends the listing
		return c.send(ctx, l.rdb)
	}
	c.args = l.amendState(c.args)
	if c.sha1 == "" || !w.loaded.Load() {
		cmd := c.send(ctx, l.rdb)
		w.loaded.Store(cmd.Err() == nil)
		return cmd
	}
	if w.busy.CompareAndSwap(false, true) {
		l.extends.Go(func() {
			defer w.busy.Store(false)
			if redis.HasErrorPrefix(c.send(ctx, l.rdb).Err(), "NOSCRIPT") {
				w.loaded.Store(false)
			}
		})
	}
	return answer(ctx, "OK")
}
