package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/redisconn"
)

const (
	syncInterval = 5 * time.Second
	keptSamples  = 12 // a minute of them
	// drift is how far two clocks may move apart in that minute. Those of computers do so by less than 0.1 ms a second.
	drift = 10 * time.Millisecond

	// jump is by how much the time of Redis must change at once for that to be told.
	jump = 5 * time.Second
	// maxLead is how far ahead of Redis a clock may go on.
	maxLead = 24 * time.Hour
)

var timeScript = scripts.Script("lease_time")

// Clock estimates the time of Redis, as exactly as the round trip allows.
//
// It does not follow when the time of Redis is set back, by a person or by a failover to a machine whose clock is behind:
// ticks would otherwise run again, or stop until the earlier time is reached. If the time is set back by a few seconds,
// the clock stands still until Redis has caught up. If by more, it goes on at half the speed until then, and logs this.
// If by more than a day, the earlier time cannot have been right, and the clock is set back too.
//
// Between two samples of Redis' time, the clock follows this machine's monotonic clock, so setting its wall clock
// changes nothing. While the machine is suspended that clock may stand still; then Now is late until the next sample.
type Clock struct {
	rdb    redis.UniversalClient
	local  lease.Clock
	logger *slog.Logger

	mu      sync.Mutex
	samples []sample      // oldest first
	zero    time.Time     // the time of Redis when the local monotonic clock stood at 0
	told    time.Time     // what Now has said last
	toldAt  time.Duration // by the local monotonic clock
}

// sample is one reading of the time of Redis.
type sample struct {
	zero   time.Time     // what Clock.zero is by this sample
	margin time.Duration // by how much that may be wrong: half of the round trip
}

// NewClock returns a clock that returns the local wall time until the first Sync.
func NewClock(rdb redis.UniversalClient, local lease.Clock, logger *slog.Logger) *Clock {
	now := local()
	return &Clock{rdb: rdb, local: local, logger: logger, zero: now.Wall.Add(-now.Mono).UTC()}
}

// Now returns the time, in UTC. It runs backwards only when Redis is found to be behind by more than a day, and at the
// first Sync.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	mono := c.local().Mono
	now := c.zero.Add(mono)
	switch ahead := c.told.Sub(now); {
	case ahead <= 0 || ahead > maxLead:
		c.told = now
	case ahead > jump:
		c.told = c.told.Add(max(0, mono-c.toldAt) / 2)
	}
	c.toldAt = mono
	return c.told
}

// Advance lets the clock go on from t if that is ahead: another clock has told it before the time of Redis was set back.
func (c *Clock) Advance(t time.Time) {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if ahead := t.Sub(now); ahead > jump && ahead < maxLead {
		c.told = t
		c.tell(-ahead)
	}
}

// Run samples the time of Redis at once and then every few seconds, until ctx ends.
func (c *Clock) Run(ctx context.Context) {
	for away := false; ; {
		err := c.Sync(ctx)
		if err != nil && !away && ctx.Err() == nil {
			c.logger.Warn("the time of redis cannot be read; going on by the local clock", "error", err)
		}
		away = err != nil
		if !pause.For(ctx, syncInterval) {
			return
		}
	}
}

// Sync samples the time of Redis once. It must succeed before the first call of Now, which returns the local time until
// then.
func (c *Clock) Sync(ctx context.Context) error {
	asked := c.local().Mono
	reply, err := timeScript.Run(ctx, c.rdb, []string{leaderKey}).StringSlice()
	answered := c.local().Mono // before the reply is parsed
	if err != nil {
		return redisconn.Coded(err)
	}
	now, err := parseTime(reply)
	if err != nil {
		return err
	}
	half := (answered - asked) / 2
	c.add(sample{zero: now.Add(-asked - half), margin: half})
	return nil
}

func parseTime(reply []string) (time.Time, error) {
	if len(reply) != 2 {
		return time.Time{}, fmt.Errorf("redis answers TIME with %q", reply)
	}
	sec, err := strconv.ParseInt(reply[0], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("redis answers TIME with %q: %w", reply, err)
	}
	usec, err := strconv.ParseInt(reply[1], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("redis answers TIME with %q: %w", reply, err)
	}
	return time.Unix(sec, usec*int64(time.Microsecond)).UTC(), nil
}

// add takes a sample in. Of the recent ones that of the shortest round trip counts.
func (c *Clock) add(s sample) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.samples) == 0:
		c.told = time.Time{}
	case !c.best().agrees(s):
		// The clock of Redis was set, another server has taken over, or this machine was suspended.
		c.tell(s.zero.Sub(c.best().zero))
		c.samples = nil
	}
	c.samples = append(c.samples, s)
	c.samples = c.samples[max(0, len(c.samples)-keptSamples):]
	c.zero = c.best().zero
}

// tell logs by how much the time of Redis has been found to be another.
func (c *Clock) tell(change time.Duration) {
	switch {
	case change > jump:
		c.logger.Warn("the time of redis has jumped ahead, or this machine was suspended; ticks in between are late", "by", change)
	case change < -maxLead:
		c.logger.Error("the time of redis was set back by more than a day; schedules are planned anew", "by", -change)
	case change < -jump:
		c.logger.Warn("the time of redis was set back; ticks go on from the time before, at half the speed until redis has caught up",
			"by", -change)
	}
}

func (c *Clock) best() sample {
	best := c.samples[0]
	for _, s := range c.samples[1:] {
		if s.margin <= best.margin {
			best = s
		}
	}
	return best
}

// agrees reports whether both samples can be right.
func (s sample) agrees(other sample) bool {
	return s.zero.Sub(other.zero).Abs() <= s.margin+other.margin+drift
}
