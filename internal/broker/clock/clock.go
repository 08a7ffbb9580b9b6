package clock

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// clockInterval is how old the newest sample of Redis' time may become before another is taken.
	clockInterval = 5 * time.Second
	// clockSamples is how many samples count: a minute of them.
	clockSamples = 12
	// clockWait bounds the wait for the first sample.
	clockWait = time.Second
	// clockDrift is how far the two clocks may move apart in the time of the samples.
	clockDrift = 50 * time.Millisecond
)

// clock tells the time of Redis, which all scripts go by, and is never ahead of it: each sample is the time that Redis
// told, at the moment in which the answer was here, which is a little late. So what was created at Now started at that
// time or later. Between samples the local monotonic clock counts; the local wall clock, which may be wrong, is used only
// until Redis has answered once.
type Clock struct {
	rdb  redis.UniversalClient
	base time.Time // where the local monotonic clock is counted from

	refresh sync.Mutex // held by whoever takes a sample
	pending sync.WaitGroup

	mu      sync.Mutex
	samples []clockSample // oldest first
	taken   time.Time     // when the newest was taken
}

// clockSample is one look at the time of Redis.
type clockSample struct {
	base time.Time     // the time of Redis at clock.base, by this sample
	took time.Duration // how long the answer took; the sample is late by less
}

func New(rdb redis.UniversalClient) *Clock { return &Clock{rdb: rdb, base: time.Now()} }

// Now returns the time, in UTC. The first call waits up to a second for Redis; later ones do not wait.
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

// justAsked reports whether Redis was asked less than a second ago. Callers who came meanwhile do not each wait a second more.
func (c *Clock) justAsked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.taken) < clockWait
}

// Close waits for a sample that is being taken.
func (c *Clock) Close() { c.pending.Wait() }

// read returns zero if there is no sample yet, and whether the newest is new enough.
func (c *Clock) read() (now time.Time, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.samples) == 0 {
		return time.Time{}, false
	}
	base := c.samples[0].base
	for _, s := range c.samples[1:] {
		if s.base.After(base) {
			base = s.base // the answer that was on its way for the shortest time
		}
	}
	return base.Add(time.Since(c.base)), time.Since(c.taken) < clockInterval
}

func (c *Clock) sample() {
	ctx, cancel := context.WithTimeout(context.Background(), clockWait)
	defer cancel()
	asked := time.Now()
	told, err := c.rdb.Time(ctx).Result()
	if err != nil {
		// Redis is away. The samples count on, and the next call after an interval asks again.
		c.mu.Lock()
		c.taken = time.Now()
		c.mu.Unlock()
		return
	}
	c.add(told.UTC().Add(-time.Since(c.base)), time.Since(asked))
}

// add takes in a sample whose answer took so long.
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
