package redisstore_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/internal/storetest"
	"github.com/backbeat-go/backbeat/task"
)

// skewed is a pair of local clocks that tests may set.
type skewed struct {
	system lease.Clock

	mu         sync.Mutex
	mono, wall time.Duration
}

func (s *skewed) now() lease.Instant {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.system()
	return lease.Instant{Mono: now.Mono + s.mono, Wall: now.Wall.Add(s.wall)}
}

func (s *skewed) set(mono, wall time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mono, s.wall = mono, wall
}

// clockTest compares a Clock with Redis.
type clockTest struct {
	*testing.T
	server *redistest.Server
	rdb    *redis.Client
	local  *skewed
	clock  *redisstore.Clock
}

// Redis' clock is set back. The time goes on, slower, and never back, until Redis has caught up.
func TestClockOfRedisIsSetBack(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	set := &storetest.SetClock{}
	rdb.AddHook(set)
	var log strings.Builder
	mono := time.Duration(0)
	local := func() lease.Instant { return lease.Instant{Mono: mono, Wall: time.Now()} }
	clock := redisstore.NewClock(rdb, local, slog.New(slog.NewTextHandler(&log, nil)))
	must(t, clock.Sync(t.Context()))
	start := clock.Now()

	set.By(-time.Hour)
	must(t, clock.Sync(t.Context()))
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "set back") {
		t.Errorf("the log says nothing of it: %q", log.String())
	}
	last := clock.Now()
	if last.Before(start) {
		t.Errorf("the clock went back from %v to %v", start, last)
	}
	for range 100 {
		mono += time.Minute
		now := clock.Now()
		if now.Before(last) || now.Sub(last) > time.Minute {
			t.Fatalf("in a minute the clock goes from %v to %v", last, now)
		}
		last = now
	}
	if off := last.Sub(start.Add(50 * time.Minute)); off.Abs() > time.Second {
		t.Errorf("after 100 minutes at half the speed the clock is %v off", off)
	}
	mono += time.Hour // Redis has caught up
	if now, want := clock.Now(), start.Add(100*time.Minute); now.Sub(want).Abs() > tolerance {
		t.Errorf("in the end the clock says %v, want %v", now, want)
	}
}

// A process that starts after Redis' clock was set back goes on from what another tells it.
func TestClockIsAdvanced(t *testing.T) {
	server := redistest.Start(t)
	c := newClockTest(t, server, server.Addr(), 0)
	c.sync()
	c.clock.Advance(time.Now().Add(time.Second)) // as clocks differ
	c.clock.Advance(time.Now().Add(48 * time.Hour))
	c.wantRight()
	ahead := time.Now().Add(time.Hour)
	c.clock.Advance(ahead)
	c.clock.Advance(ahead.Add(-time.Minute))
	if now := c.clock.Now(); now.Before(ahead) || now.Sub(ahead) > tolerance {
		t.Errorf("it says %v, want %v", now, ahead)
	}
}

// What was more than a day ahead cannot have been right.
func TestClockOfRedisIsSetBackByFar(t *testing.T) {
	server := redistest.Start(t)
	c := newClockTest(t, server, server.Addr(), 0)
	set := &storetest.SetClock{}
	set.By(10 * 365 * 24 * time.Hour)
	rdb := c.server.Client(t)
	rdb.AddHook(set)
	c.clock = redisstore.NewClock(rdb, c.local.now, slog.New(slog.DiscardHandler))
	c.sync()
	c.clock.Now()
	set.By(0)
	c.sync()
	c.wantRight()
}

// newClockTest makes a Clock whose local wall clock is wrong, and which reaches Redis at the address.
func newClockTest(t *testing.T, server *redistest.Server, addr string, wall time.Duration) *clockTest {
	rdb := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { rdb.Close() })
	local := &skewed{system: lease.SystemClock(), wall: wall}
	clock := redisstore.NewClock(rdb, local.now, slog.New(slog.DiscardHandler))
	return &clockTest{t, server, server.Client(t), local, clock}
}

func (c *clockTest) sync() {
	c.Helper()
	must(c.T, c.clock.Sync(c.Context()))
}

// off returns by how much the clock differs from Redis at least: 0 when it says what Redis says in between two looks.
func (c *clockTest) off() time.Duration {
	c.Helper()
	before, err := c.rdb.Time(c.Context()).Result()
	must(c.T, err)
	now := c.clock.Now()
	after, err := c.rdb.Time(c.Context()).Result()
	must(c.T, err)
	switch {
	case now.Before(before):
		return now.Sub(before)
	case now.After(after):
		return now.Sub(after)
	}
	return 0
}

// wantRight checks that the clock is right to within a tolerance that is small beside what the tests put wrong.
func (c *clockTest) wantRight() {
	c.Helper()
	if off := c.off().Abs(); off > tolerance {
		c.Errorf("the clock is %v off", off)
	}
}

// tolerance is what a machine that is busy with other tests may add to a round trip.
const tolerance = 1500 * time.Millisecond

func TestClockIsThatOfRedis(t *testing.T) {
	for _, wrong := range []time.Duration{0, time.Minute, -time.Minute, -24 * time.Hour} {
		t.Run(wrong.String(), func(t *testing.T) {
			server := redistest.Start(t)
			c := newClockTest(t, server, server.Addr(), wrong)
			if off := c.off(); (off - wrong).Abs() > tolerance {
				t.Errorf("before the first look the clock is %v off, want the local clock's %v", off, wrong)
			}
			if zone := c.clock.Now().Location(); zone != time.UTC {
				t.Errorf("before the first look the time is in zone %v", zone)
			}
			c.sync()
			c.wantRight()
		})
	}
}

func TestClockOfSeveralMachines(t *testing.T) {
	server := redistest.Start(t)
	var clocks []*clockTest
	for _, wrong := range []time.Duration{-time.Minute, 0, time.Minute} {
		c := newClockTest(t, server, server.Addr(), wrong)
		c.sync()
		clocks = append(clocks, c)
	}
	for _, c := range clocks {
		c.wantRight()
		if zone := c.clock.Now().Location(); zone != time.UTC {
			t.Errorf("the time is in zone %v", zone)
		}
	}
}

func TestLocalClockIsSet(t *testing.T) {
	server := redistest.Start(t)
	c := newClockTest(t, server, server.Addr(), 0)
	c.sync()
	for _, wall := range []time.Duration{time.Hour, -time.Hour} {
		c.local.set(0, wall)
		c.wantRight()
		c.sync()
		c.wantRight()
	}
}

// After the machine was suspended, its monotonic clock is behind. The next look tells, however good the earlier were.
func TestMachineSuspended(t *testing.T) {
	server := redistest.Start(t)
	c := newClockTest(t, server, server.Addr(), 0)
	for range 10 {
		c.sync()
	}
	c.local.set(-time.Minute, 0)
	c.sync()
	c.wantRight()
}

func TestClockNeverRunsBackwards(t *testing.T) {
	server := redistest.Start(t)
	c := newClockTest(t, server, server.Addr(), 0)
	c.sync()
	c.local.set(4*time.Second, 0) // seems to have passed since
	told := c.clock.Now()
	c.sync()
	for {
		now := c.clock.Now()
		if now.Before(told) {
			t.Fatalf("the clock runs from %v back to %v", told, now)
		}
		redisTime, err := c.rdb.Time(t.Context()).Result()
		must(t, err)
		if !redisTime.Before(told.Add(-tolerance)) {
			break
		}
		if now.After(told) {
			t.Fatalf("the clock goes from %v to %v while it is %v ahead", told, now, now.Sub(redisTime))
		}
	}
	redistest.Poll(t, patience, "the clock goes on", func() bool { return c.clock.Now().After(told) })
	c.wantRight()
}

// slowClockTest makes a Clock that has had quick answers, and whose connection delays what it sends and what it gets from
// then on.
func slowClockTest(t *testing.T, up, down time.Duration) *clockTest {
	server := redistest.Start(t)
	link := redistest.StartLink(t, server.Addr())
	c := newClockTest(t, server, link.Addr(), 0)
	for range 3 {
		c.sync()
	}
	link.Delay(up, down)
	return c
}

// An answer that took long tells little, and does not spoil what a quick one has told.
func TestSlowAnswer(t *testing.T) {
	c := slowClockTest(t, 0, 4*time.Second) // the time is not that of the middle of the round trip, but 2 s before
	c.sync()
	c.wantRight()
}

// Where all answers take long, the time is that of the middle of the round trip.
func TestLongWay(t *testing.T) {
	c := slowClockTest(t, 2*time.Second, 2*time.Second)
	c.local.set(-time.Minute, 0) // what the quick answers have told is worth nothing any more
	c.sync()
	c.wantRight()
}

func TestRun(t *testing.T) {
	server := redistest.Start(t)
	c := newClockTest(t, server, server.Addr(), -time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.clock.Run(ctx)
	}()
	redistest.Poll(t, patience, "the clock is right", func() bool { return c.off().Abs() < tolerance })
	cancel()
	<-ended
}

func TestClockWithoutRedis(t *testing.T) {
	server := redistest.Start(t)
	c := newClockTest(t, server, server.Addr(), -time.Minute)
	c.sync()
	server.Kill()
	if err := c.clock.Sync(t.Context()); task.CodeOf(err) != task.CodeUnavailable {
		t.Errorf("%v has no code that says that Redis is away", err)
	}
	c.local.set(0, -time.Hour)
	server.Restart()
	c.wantRight()
}
