package testclock_test

import (
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/localredis"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/internal/testclock"
)

// onBoth runs a test on a server and on miniredis.
func onBoth(t *testing.T, test func(t *testing.T, opts *redis.Options)) {
	t.Run("redis", func(t *testing.T) {
		test(t, &redis.Options{Addr: redistest.Start(t).Addr()})
	})
	t.Run("miniredis", func(t *testing.T) {
		server, err := localredis.StartEmbedded()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Stop)
		opts, err := redis.ParseURL(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		test(t, opts)
	})
}

func open(t *testing.T, opts *redis.Options) *redis.Client {
	rdb := redis.NewClient(opts)
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

// hour is far longer than any test may take.
const hour = time.Hour

func TestScriptsAndClientsSeeTheMovedTime(t *testing.T) {
	onBoth(t, func(t *testing.T, opts *redis.Options) {
		ctx := t.Context()
		var clock testclock.Clock
		plain, moved := open(t, opts), clock.Wrap(open(t, opts))
		script := redis.NewScript(`return redis.call("TIME")`)
		if err := script.Run(ctx, plain, nil).Err(); err != nil { // as other programs do
			t.Fatal(err)
		}
		seconds := func(rdb redis.UniversalClient) time.Duration {
			t.Helper()
			reply, err := script.Run(ctx, rdb, nil).StringSlice()
			if err != nil {
				t.Fatal(err)
			}
			n, _ := strconv.Atoi(reply[0])
			return time.Duration(n) * time.Second
		}
		local := clock.Local()
		began := local()
		for range 3 {
			if err := clock.Move(ctx, plain, hour+1999*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		if ahead := clock.Ahead(); ahead != 3*hour+5997*time.Millisecond {
			t.Errorf("the clock is ahead by %s", ahead)
		}
		if ahead := seconds(moved) - seconds(plain); ahead < 3*hour || ahead > 4*hour {
			t.Errorf("scripts are ahead by %s", ahead)
		}
		told, err := moved.Time(ctx).Result()
		if ahead := time.Until(told); err != nil || ahead < 3*hour-time.Minute || ahead > 4*hour {
			t.Errorf("TIME is ahead by %s, %v", ahead, err)
		}
		var inPipeline *redis.TimeCmd
		if _, err := moved.Pipelined(ctx, func(p redis.Pipeliner) error { inPipeline = p.Time(ctx); return nil }); err != nil {
			t.Fatal(err)
		}
		if ahead := time.Until(inPipeline.Val()); ahead < 3*hour-time.Minute {
			t.Errorf("TIME in a pipeline is ahead by %s", ahead)
		}
		if passed := local().Mono - began.Mono; passed < 3*hour || passed > 4*hour {
			t.Errorf("the local clock has moved by %s", passed)
		}
	})
}

func TestMoveEndsTTLsAndKeepsProcessesAlive(t *testing.T) {
	onBoth(t, func(t *testing.T, opts *redis.Options) {
		ctx := t.Context()
		rdb := open(t, opts)
		ttls := map[string]time.Duration{
			"asynq:{q}:unique:x": hour, "backbeat:idempotency:{x}": 3 * hour, "backbeat:schedules:{beat}:leader": hour, "asynq:{q}:maintainer:x": hour,
		}
		for key, ttl := range ttls {
			rdb.Set(ctx, key, 1, ttl)
		}
		rdb.ZAdd(ctx, "asynq:{q}:lease", redis.Z{Member: "a", Score: 1000})
		rdb.ZAdd(ctx, "asynq:{q}:scheduled", redis.Z{Member: "b", Score: 1000})
		var clock testclock.Clock
		for range 2 { // of parts of seconds none is lost
			if err := clock.Move(ctx, rdb, hour+500*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		if n := rdb.Exists(ctx, slices.Collect(maps.Keys(ttls))...).Val(); n != 3 {
			t.Errorf("%d keys are left, want all but that with the TTL of an hour", n)
		}
		if ttl := rdb.TTL(ctx, "backbeat:idempotency:{x}").Val(); ttl <= 0 || ttl > hour {
			t.Errorf("a TTL of 3 h became %s", ttl)
		}
		if ttl := rdb.TTL(ctx, "backbeat:schedules:{beat}:leader").Val(); ttl <= hour/2 {
			t.Errorf("the TTL of the leader became %s", ttl)
		}
		if lease := rdb.ZScore(ctx, "asynq:{q}:lease", "a").Val(); lease != 1000+7201 {
			t.Errorf("the lease is %v", lease)
		}
		if score := rdb.ZScore(ctx, "asynq:{q}:scheduled", "b").Val(); score != 1000 {
			t.Errorf("the delayed task is due at %v", score)
		}
	})
}
