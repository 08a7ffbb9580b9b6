package lease

import (
	"context"
	"time"
)

// Holder is a process that leads or stands by.
type Holder struct {
	ID    string // unique to this run of the process
	Host  string
	PID   int
	Since time.Time // when the term began, by the store's clock; zero for a standby
	Term  int64     // the term that the process leads; 0 for a standby
}

// Candidate is a process that requests the lease.
type Candidate struct {
	Holder

	// Seen is the highest term that the process has seen, including its own.
	Seen int64
}

// Grant is the answer to a candidate.
type Grant struct {
	Leads bool          // whether the candidate leads
	Term  int64         // the leader's term; without a leader, the last known term
	Left  time.Duration // when Leads is false: the time until the lease expires unless it is renewed
}

// Store keeps one lease.
type Store interface {
	// Acquire grants the lease to the candidate for ttl from now, if it can, and returns the leader's term.
	//
	// A candidate whose Term is not 0 leads that term and renews it; it is refused if a later term has begun. A
	// candidate whose Term is 0 gets the lease if no other process holds it, with a new term that is higher than Seen
	// and every term before. If the candidate already holds the lease, for a term above Seen, an answer has been lost,
	// and it gets that term again.
	Acquire(ctx context.Context, c Candidate, ttl time.Duration) (Grant, error)

	// Resign ends the lease if h holds it for h.Term, or for any term if h.Term is 0. The other processes are notified
	// at once, and h is no longer listed as a standby.
	Resign(ctx context.Context, h Holder) error

	// Watch calls wake whenever the lease was resigned, and whenever a notification may have been lost, until ctx ends.
	Watch(ctx context.Context, wake func())
}
