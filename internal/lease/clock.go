package lease

import "time"

// Instant is a moment as two clocks tell it.
type Instant struct {
	Mono time.Duration // since the process started, or so; does not count the time for which the machine is suspended
	Wall time.Time     // may be set by anybody at any time
}

// Clock tells the time.
type Clock func() Instant

// SystemClock returns the clocks of this machine.
func SystemClock() Clock {
	start := time.Now()
	return func() Instant {
		now := time.Now()
		return Instant{Mono: now.Sub(start), Wall: now.Round(0)} // Round takes the monotonic reading away
	}
}

func (i Instant) add(d time.Duration) Instant {
	return Instant{Mono: i.Mono + d, Wall: i.Wall.Add(d)}
}

// left returns how long it is from i to the deadline by the clock that is nearer to it.
func (i Instant) left(deadline Instant) time.Duration {
	return min(deadline.Mono-i.Mono, deadline.Wall.Sub(i.Wall))
}
