package lease

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Why the context of a term ends, other than that Run is told to end: see context.Cause.
var (
	ErrExpired    = errors.New("the lease could not be renewed in time")
	ErrSuperseded = errors.New("the lease was lost to another")
)

// Term is the time for which a process leads.
type Term struct {
	Number int64 // greater than that of any term before
	trust  *trust
}

// Valid reports whether the lease can be trusted. Once false, it stays false. It is cheap enough to be asked before each
// step that only a leader may do.
func (t Term) Valid() bool { return t.trust.holds() }

// trust is the belief that a lease is held. It ends at a deadline, which renewals move, and never comes back.
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

// expire is what the timer calls.
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

// left returns how much longer the trust lasts. Whoever finds that its time has passed ends it.
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

// revoke ends the trust before its time.
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
