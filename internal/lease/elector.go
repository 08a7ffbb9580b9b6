package lease

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Elector makes its process the leader whenever it gets the lease.
type Elector struct {
	store  Store
	self   Holder
	ttl    time.Duration
	logger *slog.Logger
	clock  Clock

	wake chan struct{} // receives when the lease may be free
	seen int64         // the highest term seen
	down bool          // the last request to the store failed
}

// NewElector returns an elector for self, of which only ID, Host and PID are used. If the leader dies, another process
// leads within about one ttl. All electors of a store should have the same ttl.
func NewElector(store Store, self Holder, ttl time.Duration, logger *slog.Logger, clock Clock) *Elector {
	return &Elector{
		store:  store,
		self:   Holder{ID: self.ID, Host: self.Host, PID: self.PID},
		ttl:    ttl,
		logger: logger,
		clock:  clock,
		wake:   make(chan struct{}, 1),
	}
}

// Run calls lead for each term of this process, one after another, until ctx ends. The context passed to lead ends as
// soon as the lease can no longer be trusted; lead must then return, and Run waits until it does. If lead returns
// earlier, another process may lead. Run resigns the lease before it returns. It must not be called concurrently.
func (e *Elector) Run(ctx context.Context, lead func(ctx context.Context, t Term)) {
	var watching sync.WaitGroup
	watching.Go(func() { e.store.Watch(ctx, e.notify) })
	defer watching.Wait()
	for {
		term, until, ok := e.campaign(ctx)
		if !ok {
			break
		}
		e.serve(ctx, term, until, lead)
	}
	e.resign(ctx, 0) // any term: the answer to the last request may have been lost
}

func (e *Elector) notify() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// campaign stands by until this process leads, and returns its term and the time until which the lease can be trusted.
// It returns false when ctx has ended.
func (e *Elector) campaign(ctx context.Context) (term int64, until Instant, ok bool) {
	for ctx.Err() == nil {
		grant, until, err := e.acquire(ctx, 0)
		if err == nil && grant.Leads && e.clock().left(until) > 0 {
			return grant.Term, until, true
		}
		wait := e.pause()
		if err == nil && !grant.Leads {
			wait = min(wait, grant.Left+leeway)
		}
		select {
		case <-ctx.Done():
		case <-e.wake:
		case <-time.After(wait):
		}
	}
	return 0, Instant{}, false
}

// leeway is the time between the end of another process's lease and the attempt of a standby to take it. It also bounds
// the rate of attempts if the lease does not end as expected.
const leeway = 10 * time.Millisecond

// pause returns the random time to wait before the next attempt. The jitter spreads the attempts of many standbys.
func (e *Elector) pause() time.Duration {
	longest := min(e.ttl/5, time.Second)
	return longest/2 + rand.N(longest/2+1)
}

// acquire requests the lease once, as the leader of the term held, or as a standby if held is 0. It also returns the
// time until which a granted lease can be trusted.
func (e *Elector) acquire(ctx context.Context, held int64) (Grant, Instant, error) {
	until := e.clock().add(e.ttl - e.ttl/5)
	c := Candidate{Holder: e.self, Seen: e.seen}
	c.Term = held
	attempt, cancel := context.WithTimeout(ctx, e.ttl/4)
	defer cancel()
	grant, err := e.store.Acquire(attempt, c, e.ttl)
	if ctx.Err() == nil {
		e.noteOutage(err)
	}
	if err == nil {
		e.seen = max(e.seen, grant.Term)
	}
	return grant, until, err
}

// noteOutage logs the first failure of the store and its recovery.
func (e *Elector) noteOutage(err error) {
	switch down := err != nil; {
	case down && !e.down:
		e.logger.Warn("the lease store does not answer; retrying", "error", err)
	case !down && e.down:
		e.logger.Info("the lease store answers again")
	}
	e.down = err != nil
}

// serve leads one term.
func (e *Elector) serve(ctx context.Context, number int64, until Instant, lead func(ctx context.Context, t Term)) {
	leading, end := context.WithCancelCause(ctx)
	defer end(nil)
	term := Term{Number: number, trust: newTrust(e.clock, until, end)}
	e.logger.Info("leading", "term", number)

	returned := make(chan struct{})
	var renewing sync.WaitGroup
	renewing.Go(func() { e.renewUntil(leading, term, returned) })
	lead(leading, term)
	early := leading.Err() == nil
	close(returned)
	renewing.Wait()

	term.trust.revoke(nil)
	if !early {
		e.logger.Info("no longer leading", "term", number, "reason", context.Cause(leading))
		return
	}
	e.logger.Warn("no longer leading: the leader's work ended before its term", "term", number)
	e.resign(ctx, number)
	select {
	case <-ctx.Done():
	case <-time.After(e.pause()):
	}
}

// renewUntil renews the lease until the term is over and lead has returned.
func (e *Elector) renewUntil(ctx context.Context, term Term, returned <-chan struct{}) {
	tick := time.NewTicker(e.ttl / 4)
	defer tick.Stop()
	for {
		select {
		case <-returned:
			return
		case <-ctx.Done():
			e.awaitReturn(term, returned)
			return
		case <-tick.C:
			e.renew(ctx, term)
		}
	}
}

func (e *Elector) renew(ctx context.Context, term Term) {
	grant, until, err := e.acquire(ctx, term.Number)
	switch {
	case err != nil: // the next attempt may succeed; if none does, the trust expires
	case grant.Leads && grant.Term == term.Number:
		term.trust.extend(until)
	default:
		term.trust.revoke(ErrSuperseded)
	}
}

// awaitReturn waits for lead to return after its context has ended, and logs an error if that takes long.
func (e *Elector) awaitReturn(term Term, returned <-chan struct{}) {
	late := time.NewTimer(e.ttl)
	defer late.Stop()
	select {
	case <-returned:
		return
	case <-late.C:
	}
	e.logger.Error("the leader's work continues after its term has ended; this process cannot lead again until it stops",
		"term", term.Number)
	<-returned
}

// resign resigns the lease of a term, even if ctx has ended.
func (e *Elector) resign(ctx context.Context, term int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.ttl/4)
	defer cancel()
	self := e.self
	self.Term = term
	if err := e.store.Resign(ctx, self); err != nil {
		e.logger.Warn("cannot resign the lease; if this process holds it, it expires within the ttl", "ttl", e.ttl, "error", err)
	}
}
