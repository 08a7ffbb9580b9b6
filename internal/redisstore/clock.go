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
)

const (
	syncInterval = 5 * time.Second
	keptSamples  = 12 // a minute of them
	// drift is how far two clocks may move apart in that minute. Those of computers do so by less than 0.1 ms a second.
	drift = 10 * time.Millisecond
)

// Clock tells the time of Redis, as well as the way there lets it be known.
//
// The time that passes between two looks at Redis is that of this machine's monotonic clock, so setting its wall clock
// changes nothing. While the machine is suspended that clock may stand still; then Now is late until the next look.
type Clock struct {
	rdb    redis.UniversalClient
	local  lease.Clock
	logger *slog.Logger

	mu      sync.Mutex
	samples []sample  // oldest first
	zero    time.Time // the time of Redis when the local monotonic clock stood at 0
	told    time.Time // what Now has said last
}

// sample is one look at the time of Redis.
type sample struct {
	zero   time.Time     // what Clock.zero is by this sample
	margin time.Duration // by how much that may be wrong: half of the round trip
}

// NewClock returns a clock that tells the local wall time until Sync has looked at that of Redis.
func NewClock(rdb redis.UniversalClient, local lease.Clock, logger *slog.Logger) *Clock {
	now := local()
	return &Clock{rdb: rdb, local: local, logger: logger, zero: now.Wall.Add(-now.Mono).UTC()}
}

// Now returns the time, in UTC. It never runs backwards: when it is found to be ahead of Redis, it stands still until
// Redis has caught up.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.zero.Add(c.local().Mono); now.After(c.told) {
		c.told = now
	}
	return c.told
}

// Run looks at the time of Redis at once and then every few seconds, until ctx ends.
func (c *Clock) Run(ctx context.Context) {
	for away := false; ; {
		err := c.Sync(ctx)
		if err != nil && !away && ctx.Err() == nil {
			c.logger.Warn("the time of redis cannot be read; going on by the local clock", "error", err)
		}
		away = err != nil
		if !pause(ctx, syncInterval) {
			return
		}
	}
}

// Sync looks at the time of Redis once. It is to succeed before Now is first asked: until then Now tells the local time,
// and if that is ahead, Now stands still afterwards.
func (c *Clock) Sync(ctx context.Context) error {
	asked := c.local().Mono
	reply, err := timeScript.Run(ctx, c.rdb, []string{leaderKey}).StringSlice()
	answered := c.local().Mono
	if err != nil {
		return unavailable(err)
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
	if len(c.samples) > 0 && !c.best().agrees(s) {
		// The clock of Redis was set, another server has taken over, or this machine was suspended.
		c.samples = nil
	}
	c.samples = append(c.samples, s)
	c.samples = c.samples[max(0, len(c.samples)-keptSamples):]
	c.zero = c.best().zero
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
