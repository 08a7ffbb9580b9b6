package lease

import (
	"context"
	"errors"
	"sync"
	"time"
)

// The causes of the end of a term's context, as context.Cause returns them, besides the end of Run's context.
var (
	ErrExpired    = errors.New("the lease could not be renewed in time")
	ErrSuperseded = errors.New("the lease was lost to another")
)

// Term is the time for which a process leads.
type Term struct {
	Number int64 // greater than that of any term before
	trust  *trust
}

// Valid reports whether the lease can be trusted. Once it has returned false, it always does. It is cheap enough to call
// before each step that only a leader may do.
func (t Term) Valid() bool { return t.trust.holds() }

// trust is the period in which the process can rely on its lease. It ends at a deadline, which renewals extend. Once
// ended, it cannot be extended.
type trust struct {
	clock Clock
	end   context.CancelCauseFunc // ends the term's context

	mu    sync.Mutex
	until Instant
	ended bool
	timer *time.Timer
}

func newTrust(clock Clock, until Instant, end context.CancelCauseFunc) *trust {
	t := &trust{clock: clock, until: until, end: end}
	t.mu.Lock() // the timer may fire before it is assigned
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(clock().left(until), t.expire)
	return t
}

func (t *trust) holds() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left() > 0
}

// expire is called by the timer.
func (t *trust) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if left := t.left(); left > 0 {
		t.timer.Reset(left)
	}
}

// extend moves the deadline, unless it has passed.
func (t *trust) extend(until Instant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left() > 0 {
		t.until = until
		t.timer.Reset(t.clock().left(until))
	}
}

// left returns the remaining time of the trust, and ends the trust if there is none. t.mu must be held.
func (t *trust) left() time.Duration {
	if t.ended {
		return 0
	}
	left := t.clock().left(t.until)
	if left <= 0 {
		t.over(ErrExpired)
	}
	return left
}

// revoke ends the trust before its deadline.
func (t *trust) revoke(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over(cause)
}

func (t *trust) over(cause error) {
	t.ended = true
	t.timer.Stop()
	t.end(cause)
}
