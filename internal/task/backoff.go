package task

import (
	"math/rand/v2"
	"time"
)

// Backoff is how long a failed task waits for its next try: a random time between 0 and
// min(Cap, Base × 2ⁿ) after n failures before this one. That is "full jitter": failures that came
// together do not come together again. It is the variant that Marc Brooker's "Exponential Backoff and
// Jitter" (AWS Architecture Blog, 2015) finds to cost least work.
type Backoff struct {
	Base time.Duration // the first retry comes within this; default 2 s
	Cap  time.Duration // no retry waits longer than this; default 10 min
}

// DefaultBackoff is used by types that set none. Its first retry comes within 2 s.
var DefaultBackoff = Backoff{Base: 2 * time.Second, Cap: 10 * time.Minute}

// Delay returns the time to wait after a failure that n failures came before.
func (b Backoff) Delay(n int) time.Duration {
	ceiling := b.Cap
	// Cap is shifted down, not Base up: 1<<n overflows long before n reaches the retries a task may have.
	if b.Base <= b.Cap>>n {
		ceiling = b.Base << n
	}
	return rand.N(ceiling + 1)
}
