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
	Since time.Time // leading since, by the store's clock; zero for a standby
	Term  int64     // the term that it leads; 0 for a standby
}

// Candidate is a process that asks for the lease.
type Candidate struct {
	Holder

	// Seen is the highest term that the process has heard of, its own included.
	Seen int64
}

// Grant is the answer to a candidate.
type Grant struct {
	Leads bool          // whether the candidate leads
	Term  int64         // the term of whoever leads; if none does, the last one that is known
	Left  time.Duration // when Leads is false: how long until the lease ends, if nobody renews it
}

// Store keeps one lease.
type Store interface {
	// Acquire gives the lease to the candidate, for ttl from now, and answers who leads.
	//
	// A candidate whose Term is not 0 leads that term and renews it; it is refused if there has been another since. One
	// whose Term is 0 gets the lease if nobody else has it, with a new term that is higher than any before and than
	// Seen. If it has the lease already, for a term above Seen, an answer has been lost, and it gets that term.
	Acquire(ctx context.Context, c Candidate, ttl time.Duration) (Grant, error)

	// Resign gives the lease up, if the holder has it for this Term, or for any if its Term is 0. The others see
	// it at once, and see the holder stand by no longer.
	Resign(ctx context.Context, h Holder) error

	// Watch calls wake whenever a lease was resigned, or may have been without a word being heard, until ctx ends.
	Watch(ctx context.Context, wake func())
}
