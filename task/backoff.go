package task

import (
	"math"
	"math/rand/v2"
	"time"
)

// Backoff sets how long a failed task waits for its next attempt: a random time between 0 and min(Cap, Base × 2ⁿ) after n
// earlier failures. This is the "full jitter" of Marc Brooker's "Exponential Backoff and Jitter" (AWS Architecture Blog,
// 2015): tasks that failed together are not retried together. The zero Backoff retries at once.
type Backoff struct {
	Base time.Duration // the first retry comes within this; default 2 s if Cap is set
	Cap  time.Duration // no retry waits longer than this; default 10 min, or Base if that is longer
}

// DefaultBackoff is the backoff of types that set none. Its first retry comes within 2 s.
var DefaultBackoff = Backoff{Base: 2 * time.Second, Cap: 10 * time.Minute}

// Delay returns the time to wait after a failure with n earlier failures.
func (b Backoff) Delay(n int) time.Duration {
	b = b.withDefaults()
	ceiling := b.Cap
	// The comparison shifts Cap down rather than Base up, because Base<<n overflows for large n.
	if b.Base <= b.Cap>>n {
		ceiling = b.Base << n
	}
	return rand.N(min(ceiling, math.MaxInt64-1) + 1)
}

// withDefaults sets the default of a field if only the other one is set.
func (b Backoff) withDefaults() Backoff {
	b.Base, b.Cap = max(b.Base, 0), max(b.Cap, 0)
	switch {
	case b.Base == 0 && b.Cap > 0:
		b.Base = DefaultBackoff.Base
	case b.Cap == 0 && b.Base > 0:
		b.Cap = max(DefaultBackoff.Cap, b.Base)
	}
	return b
}
