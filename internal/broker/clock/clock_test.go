package clock

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// Whatever this machine's clock says, the time is that of Redis, and not ahead of it.
func TestClockIsNotAheadOfRedis(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	c := New(rdb)
	defer c.Close()
	for range 200 {
		now := c.Now()
		told, err := rdb.Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		if now.After(told) {
			t.Fatalf("the clock says %v when Redis says %v", now, told)
		}
	}
}

// A clock of Redis that is set counts from the next sample on, in both directions.
func TestClockFollowsAClockThatIsSet(t *testing.T) {
	c := New(nil)
	start := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, base := range []time.Time{start, start.Add(time.Hour), start.Add(-time.Hour)} {
		c.add(base, time.Millisecond)
		if now, fresh := c.read(); !fresh || now.Before(base) || now.Sub(base) > time.Minute {
			t.Errorf("%v after a sample of %v, fresh %v", now, base, fresh)
		}
	}
}

// movedRedis is a client of a Redis whose time a test has moved.
type movedRedis struct {
	redis.UniversalClient
	ahead atomic.Int64
}

func (m *movedRedis) Ahead() time.Duration { return time.Duration(m.ahead.Load()) }

func (m *movedRedis) Time(ctx context.Context) *redis.TimeCmd {
	cmd := m.UniversalClient.Time(ctx)
	cmd.SetVal(cmd.Val().Add(m.Ahead()))
	return cmd
}

// A clock follows a move of the time at once, without asking Redis.
func TestClockFollowsAMove(t *testing.T) {
	rdb := &movedRedis{UniversalClient: redistest.Start(t).Client(t)}
	clock := New(rdb)
	defer clock.Close()
	before := clock.Now()
	rdb.ahead.Add(int64(24 * time.Hour))
	if passed := clock.Now().Sub(before); passed < 24*time.Hour || passed > 25*time.Hour {
		t.Errorf("the clock has moved by %s", passed)
	}
	clock.sample()
	if passed := clock.Now().Sub(before); passed < 24*time.Hour || passed > 25*time.Hour {
		t.Errorf("after another sample, the clock has moved by %s", passed)
	}
}
