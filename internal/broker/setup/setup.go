// Package setup checks at the start of a program that Redis is usable: its version, its settings and the rights of the user.
package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

// minRedis is the oldest Redis that has the commands of asynq and of the scripts here (LPOS, ZRANGE BYSCORE).
var minRedis = [2]int{6, 2}

// Ready returns an error with CodeUnavailable unless Redis replies and accepts writes, which a replica does not. In a cluster
// one reachable master suffices.
func Ready(ctx context.Context, rdb redis.UniversalClient) error {
	if _, ok := rdb.(*redis.ClusterClient); ok {
		return redisconn.Coded(rdb.Ping(ctx).Err())
	}
	return redisconn.Coded(rdb.Del(ctx, wire.OwnPrefix("backbeat")+"ready").Err()) // there is no such key
}

// Check checks that Redis can store tasks safely. It returns warnings about settings that can lose tasks. Errors:
// CodeUnavailable if Redis does not reply or accepts no writes yet; an *Error if it is too old, refuses the user, has no such
// database, or if the user lacks a right.
func Check(ctx context.Context, rdb redis.UniversalClient) (warnings []string, err error) {
	if err := setupErrorOf(rdb.Ping(ctx).Err()); err != nil {
		return nil, orUnavailable(err)
	}
	if err := setupErrorOf(Ready(ctx, rdb)); err != nil {
		return nil, orUnavailable(err)
	}
	// An embedded or managed Redis may not return its version; an unknown version passes.
	info, err := rdb.Info(ctx, "server").Result()
	version := infoField(info, "redis_version")
	if err == nil && older(version, minRedis) {
		return nil, errorf("redis %s is too old; %d.%d or newer is needed", version, minRedis[0], minRedis[1])
	}
	if err := checkRights(ctx, rdb); err != nil {
		return nil, orUnavailable(err)
	}
	if persistence, err := rdb.Info(ctx, "persistence").Result(); err == nil && infoField(persistence, "aof_enabled") == "0" {
		warnings = append(warnings, "redis has no append-only file and loses tasks when it ends; set appendonly to yes")
	}
	// A managed Redis often forbids CONFIG; then there is no warning.
	policy, err := rdb.ConfigGet(ctx, "maxmemory-policy").Result()
	if p := policy["maxmemory-policy"]; err == nil && p != "" && p != "noeviction" {
		warnings = append(warnings, fmt.Sprintf(
			"redis has maxmemory-policy %s and may throw tasks away when memory is short; set it to noeviction", p))
	}
	return warnings, nil
}

// Await repeats Check until Redis is available, with pauses from 100 ms to 2 s, and logs each failed try and each warning. It
// returns an *Error if Redis is not usable, and the error of ctx when that ends.
func Await(ctx context.Context, rdb redis.UniversalClient, logger *slog.Logger) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		warnings, err := Check(ctx, rdb)
		for _, w := range warnings {
			logger.Warn(w)
		}
		if err == nil || task.CodeOf(err) != task.CodeUnavailable || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		logger.Warn("redis does not answer; trying again", "error", errors.Unwrap(err))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// orUnavailable gives an error of Redis its code, unless it is an *Error.
func orUnavailable(err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return redisconn.Coded(err)
}

func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// older reports whether a version is known to be older. Forks of Redis may have version texts that cannot be parsed; those are
// not older.
func older(version string, than [2]int) bool {
	majorText, rest, _ := strings.Cut(version, ".")
	minorText, _, _ := strings.Cut(rest, ".")
	major, err1 := strconv.Atoi(majorText)
	minor, err2 := strconv.Atoi(minorText)
	if err1 != nil || err2 != nil {
		return false
	}
	return major < than[0] || major == than[0] && minor < than[1]
}
