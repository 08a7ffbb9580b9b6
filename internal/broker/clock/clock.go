// Package clock reads the time of Redis.
package clock

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// clockInterval is the age of the newest sample at which another is taken.
	clockInterval = 5 * time.Second
	// clockSamples is how many samples are kept: those of a minute.
	clockSamples = 12
	// clockWait bounds the wait for the first sample.
	clockWait = time.Second
	// clockDrift is how far the two clocks may move apart in the time of the samples.
	clockDrift = 50 * time.Millisecond
)

// Clock returns the time of Redis, which all scripts use, and is never ahead of it: a sample takes the time in a reply as
// that of the moment at which the reply arrived, which is a little later. So a task that is created at Now starts at that
// time or later. Between samples the clock advances with the local monotonic clock. The local wall clock, which may be wrong,
// is used only until Redis has replied once.
type Clock struct {
	rdb  redis.UniversalClient
	base time.Time            // the zero of the local monotonic clock
	lead func() time.Duration // by how much a test has moved the time; see internal/testclock

	refresh sync.Mutex // held while a sample is taken
	pending sync.WaitGroup

	mu      sync.Mutex
	samples []clockSample // oldest first
	taken   time.Time     // when the newest was taken
}

// clockSample is one reading of the time of Redis.
type clockSample struct {
	base time.Time     // the time of Redis at clock.base, by this sample
	took time.Duration // the round-trip time; the sample is late by less
}

// New returns a clock for a Redis. It sends nothing before the first call of Now. Close it after use.
func New(rdb redis.UniversalClient) *Clock {
	c := &Clock{rdb: rdb, base: time.Now(), lead: func() time.Duration { return 0 }}
	if moved, ok := rdb.(interface{ Ahead() time.Duration }); ok {
		c.lead = moved.Ahead
	}
	return c
}

// Now returns the time in UTC. The first call waits up to a second for Redis; later calls do not wait.
func (c *Clock) Now() time.Time {
	if now, fresh := c.read(); fresh {
		return now
	} else if !now.IsZero() {
		if c.refresh.TryLock() {
			c.pending.Go(func() {
				defer c.refresh.Unlock()
				c.sample()
			})
		}
		return now
	}
	c.refresh.Lock()
	if now, _ := c.read(); now.IsZero() && !c.justAsked() {
		c.sample()
	}
	c.refresh.Unlock()
	if now, _ := c.read(); !now.IsZero() {
		return now
	}
	return time.Now().UTC()
}

// Ahead is how far the clock of Redis is ahead of that of this machine.
func (c *Clock) Ahead() time.Duration { return time.Until(c.Now()) }

// justAsked reports whether the last attempt at a sample ended less than a second ago, so that callers that waited for it do
// not each wait a second more.
func (c *Clock) justAsked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.taken) < clockWait
}

// Close waits for a sample that is being taken.
func (c *Clock) Close() { c.pending.Wait() }

// read returns the time, zero if there is no sample yet, and whether the newest sample is younger than clockInterval.
func (c *Clock) read() (now time.Time, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.samples) == 0 {
		return time.Time{}, false
	}
	base := c.samples[0].base
	for _, s := range c.samples[1:] {
		if s.base.After(base) {
			base = s.base // the reply with the shortest delay
		}
	}
	return base.Add(time.Since(c.base) + c.lead()), time.Since(c.taken) < clockInterval
}

func (c *Clock) sample() {
	ctx, cancel := context.WithTimeout(context.Background(), clockWait)
	defer cancel()
	asked, lead := time.Now(), c.lead()
	reply, err := c.rdb.Time(ctx).Result()
	if err != nil || c.lead() != lead {
		// Redis is unavailable, or the reply may be older than a move. The samples stay in use, and the next call after an interval tries again.
		c.mu.Lock()
		c.taken = time.Now()
		c.mu.Unlock()
		return
	}
	c.add(reply.UTC().Add(-time.Since(c.base)-lead), time.Since(asked))
}

// add records a sample, given its round-trip time.
func (c *Clock) add(base time.Time, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = time.Now()
	if n := len(c.samples); n > 0 {
		last := c.samples[n-1]
		if base.Sub(last.base).Abs() > last.took+took+clockDrift {
			c.samples = nil // the clock of Redis was set, another server has taken over, or this machine was suspended
		}
	}
	c.samples = append(c.samples, clockSample{base, took})
	c.samples = c.samples[max(0, len(c.samples)-clockSamples):]
}
