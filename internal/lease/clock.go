package lease

import "time"

// Instant is a time on two clocks.
type Instant struct {
	Mono time.Duration // monotonic, from about the start of the process; may stop while the machine is suspended
	Wall time.Time     // wall clock; may be set at any time
}

// Clock returns the current time.
type Clock func() Instant

// SystemClock returns the clocks of this machine.
func SystemClock() Clock {
	start := time.Now()
	return func() Instant {
		now := time.Now()
		return Instant{Mono: now.Sub(start), Wall: now.Round(0)} // Round strips the monotonic reading
	}
}

func (i Instant) add(d time.Duration) Instant {
	return Instant{Mono: i.Mono + d, Wall: i.Wall.Add(d)}
}

// left returns the time from i to the deadline, by the clock on which it is shorter.
func (i Instant) left(deadline Instant) time.Duration {
	return min(deadline.Mono-i.Mono, deadline.Wall.Sub(i.Wall))
}
