package redisstore_test

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/ratelimit"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// tenAnHour gains a token in six minutes, which is never while a test runs: time passes when the test says so.
var tenAnHour = ratelimit.Rate{Limit: 10, Period: time.Hour, Burst: 5}

const oneToken = 6 * time.Minute

// till is a bucket of a caller.
type till struct {
	*testing.T
	rdb     *redis.Client
	buckets *redisstore.Buckets
}

func newTill(t *testing.T) *till {
	rdb := redistest.Start(t).Client(t)
	return &till{t, rdb, redisstore.NewBuckets(rdb)}
}

func (c *till) take(charge ratelimit.Charge) bool {
	c.Helper()
	decision, err := c.buckets.Take(c.Context(), "ann", tenAnHour, charge)
	must(c.T, err)
	return decision.Allowed
}

// takeAll takes tokens one by one until there are none, and returns how many there were.
func (c *till) takeAll() (n int) {
	c.Helper()
	for c.take(tenAnHour.Request()) {
		n++
	}
	return n
}

func (c *till) key() string {
	c.Helper()
	keys := c.rdb.Keys(c.Context(), "backbeat:ratelimit:*").Val()
	if len(keys) != 1 {
		c.Fatalf("buckets %q", keys)
	}
	return keys[0]
}

// pass lets time pass, since the bucket was last looked at.
func (c *till) pass(d time.Duration) {
	c.Helper()
	must(c.T, c.rdb.HIncrBy(c.Context(), c.key(), "at", -d.Microseconds()).Err())
}

func TestBucketIsShared(t *testing.T) {
	server := redistest.Start(t)
	processes := []*redisstore.Buckets{redisstore.NewBuckets(server.Client(t)), redisstore.NewBuckets(server.Client(t))}
	var allowed atomic.Int32
	var callers sync.WaitGroup
	for i := range 100 {
		callers.Go(func() {
			decision, err := processes[i%2].Take(t.Context(), "ann", tenAnHour, tenAnHour.Request())
			if err != nil {
				t.Error(err)
			}
			if decision.Allowed {
				allowed.Add(1)
			}
		})
	}
	callers.Wait()
	if allowed.Load() != 5 {
		t.Errorf("%d of 100 were allowed, want 5", allowed.Load())
	}
	if other, err := processes[0].Take(t.Context(), "bob", tenAnHour, tenAnHour.Request()); err != nil || !other.Allowed {
		t.Errorf("another caller: %+v, %v", other, err)
	}
}

func TestBucketFills(t *testing.T) {
	c := newTill(t)
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 5}, {oneToken - time.Minute, 0}, {time.Minute, 1}, {3 * oneToken, 3}, {100 * oneToken, 5}} {
		if step.after > 0 {
			c.pass(step.after)
		}
		if got := c.takeAll(); got != step.want {
			t.Errorf("after %s there are %d tokens, want %d", step.after, got, step.want)
		}
	}
}

// A Redis that takes over may be behind. The bucket neither gains by that nor stands still until the clock catches up.
func TestBucketWhenTheClockIsSetBack(t *testing.T) {
	c := newTill(t)
	c.takeAll()
	c.pass(-time.Hour)
	if got := c.takeAll(); got != 0 {
		t.Errorf("%d tokens came of it", got)
	}
	c.pass(2 * oneToken)
	if got := c.takeAll(); got != 2 {
		t.Errorf("later on there are %d tokens, want 2", got)
	}
}

func TestBucketOwes(t *testing.T) {
	c := newTill(t)
	if !c.take(tenAnHour.Request()) || !c.take(tenAnHour.Rest(20)) {
		t.Fatal("a full bucket does not give more than it holds")
	}
	c.pass(15 * oneToken)
	if got := c.takeAll(); got != 0 {
		t.Errorf("%d tokens before the debt is paid", got)
	}
	c.pass(oneToken)
	if got := c.takeAll(); got != 1 {
		t.Errorf("%d tokens after the debt is paid, want 1", got)
	}
	c.pass(4 * oneToken)
	if c.take(tenAnHour.Request()); c.take(tenAnHour.Rest(20)) {
		t.Error("a bucket that is not full gives more than it holds")
	}
	if c.take(tenAnHour.Rest(5)) {
		t.Error("a bucket gives what it does not hold")
	}
	if !c.take(tenAnHour.Rest(4)) {
		t.Error("what was refused has been taken")
	}
}

// A bucket is forgotten when it is full again, and not sooner.
func TestBucketIsForgotten(t *testing.T) {
	c := newTill(t)
	c.take(tenAnHour.Request())
	for _, missing := range []int{1, 5, 20} {
		if missing > 1 {
			c.take(ratelimit.Charge{Cost: missing - 1})
		}
		full, left := time.Duration(missing)*oneToken, c.rdb.PTTL(t.Context(), c.key()).Val()
		if left > full || left < full-time.Minute {
			t.Errorf("with %d to fill it is forgotten after %s, want %s", missing, left, full)
		}
		must(t, c.rdb.Del(t.Context(), c.key()).Err())
		c.take(tenAnHour.Request())
	}
}

func TestBucketTellsWhatItHolds(t *testing.T) {
	c := newTill(t)
	third := ratelimit.Rate{Limit: 3, Period: time.Hour, Burst: 3}
	for _, want := range []float64{2, 1, 0, 0} {
		got, err := c.buckets.Take(t.Context(), "ann", third, third.Request())
		must(t, err)
		if math.Floor(got.Tokens) != want {
			t.Errorf("it holds %g, want %g", got.Tokens, want)
		}
	}
}

func TestSpoiltBucketIsFull(t *testing.T) {
	c := newTill(t)
	c.takeAll()
	must(t, c.rdb.HSet(t.Context(), c.key(), "tokens", "many").Err())
	if got := c.takeAll(); got != 5 {
		t.Errorf("%d tokens", got)
	}
}

func TestBucketsWithoutRedis(t *testing.T) {
	server := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
	defer rdb.Close()
	server.Kill()
	_, err := redisstore.NewBuckets(rdb).Take(t.Context(), "ann", tenAnHour, tenAnHour.Request())
	if task.CodeOf(err) != task.CodeUnavailable {
		t.Error(err)
	}
}
