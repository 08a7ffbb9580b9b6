package task

import (
	"math"
	"math/rand/v2"
	"time"
)

// Backoff is how long a failed task waits for its next try: a random time between 0 and
// min(Cap, Base × 2ⁿ) after n failures before this one. That is "full jitter": failures that came
// together do not come together again. It is the variant that Marc Brooker's "Exponential Backoff and
// Jitter" (AWS Architecture Blog, 2015) finds to cost least work. A Backoff without both waits not at all.
type Backoff struct {
	Base time.Duration // the first retry comes within this; default 2 s if Cap is set
	Cap  time.Duration // no retry waits longer than this; default 10 min, or Base if that is longer
}

// DefaultBackoff is used by types that set none. Its first retry comes within 2 s.
var DefaultBackoff = Backoff{Base: 2 * time.Second, Cap: 10 * time.Minute}

// Delay returns the time to wait after a failure that n failures came before.
func (b Backoff) Delay(n int) time.Duration {
	b = b.withDefaults()
	ceiling := b.Cap
	// Cap is shifted down, not Base up: 1<<n overflows long before n reaches the retries a task may have.
	if b.Base <= b.Cap>>n {
		ceiling = b.Base << n
	}
	return rand.N(min(ceiling, math.MaxInt64-1) + 1)
}

// withDefaults sets the field that is missing beside the other one.
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
