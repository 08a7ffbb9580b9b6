package lease

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Elector makes a process lead whenever it may.
type Elector struct {
	store  Store
	self   Holder
	ttl    time.Duration
	logger *slog.Logger
	clock  Clock

	wake chan struct{} // the lease may be free
	seen int64         // the highest term heard of
	away bool          // the store did not answer when last asked
}

// NewElector returns an elector for self, of which ID, Host and PID count. If the leader dies, another leads within
// about one ttl. All electors of a store should be given the same.
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

// Run calls lead for each term of this process, one after another, until ctx ends. The context that lead gets ends as
// soon as the lease can no longer be trusted, and lead is then to return: nothing else happens before it does. Should it
// return earlier, somebody else may lead. Run resigns before it returns. It must not run twice at a time.
func (e *Elector) Run(ctx context.Context, lead func(ctx context.Context, t Term)) {
	var watching sync.WaitGroup
	watching.Go(func() { e.store.Watch(ctx, e.ring) })
	defer watching.Wait()
	for {
		term, until, ok := e.campaign(ctx)
		if !ok {
			break
		}
		e.serve(ctx, term, until, lead)
	}
	e.resign(ctx, 0) // of any term: the answer to the last question may have been lost
}

func (e *Elector) ring() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// campaign stands by until this process leads, and returns its term and until when that may be trusted. It returns
// false when ctx has ended.
func (e *Elector) campaign(ctx context.Context) (term int64, until Instant, ok bool) {
	for ctx.Err() == nil {
		grant, until, err := e.ask(ctx, 0)
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

// leeway is how long after the end of another's lease a standby tries to take it. It also bounds how often one tries
// should that end not come.
const leeway = 10 * time.Millisecond

// pause returns how long to wait before the next try. It differs from one try to the next so that many standbys spread.
func (e *Elector) pause() time.Duration {
	longest := min(e.ttl/5, time.Second)
	return longest/2 + rand.N(longest/2+1)
}

// ask asks for the lease once, as the leader of the term held or as a standby. It returns until when a lease that is
// granted may be trusted.
func (e *Elector) ask(ctx context.Context, held int64) (Grant, Instant, error) {
	until := e.clock().add(e.ttl - e.ttl/5)
	c := Candidate{Holder: e.self, Seen: e.seen}
	c.Term = held
	asking, cancel := context.WithTimeout(ctx, e.ttl/4)
	defer cancel()
	grant, err := e.store.Acquire(asking, c, e.ttl)
	if ctx.Err() == nil {
		e.noteOutage(err)
	}
	if err == nil {
		e.seen = max(e.seen, grant.Term)
	}
	return grant, until, err
}

// noteOutage logs when the store goes away and when it is back.
func (e *Elector) noteOutage(err error) {
	switch away := err != nil; {
	case away && !e.away:
		e.logger.Warn("the lease store does not answer; trying again and again", "error", err)
	case !away && e.away:
		e.logger.Info("the lease store answers again")
	}
	e.away = err != nil
}

// serve leads one term.
func (e *Elector) serve(ctx context.Context, number int64, until Instant, lead func(ctx context.Context, t Term)) {
	leading, end := context.WithCancelCause(ctx)
	defer end(nil)
	term := Term{Number: number, trust: newTrust(e.clock, until, end)}
	e.logger.Info("leading", "term", number)

	returned := make(chan struct{})
	var keeping sync.WaitGroup
	keeping.Go(func() { e.keep(leading, term, returned) })
	lead(leading, term)
	early := leading.Err() == nil
	close(returned)
	keeping.Wait()

	term.trust.revoke(nil)
	if !early {
		e.logger.Info("no longer leading", "term", number, "reason", context.Cause(leading))
		return
	}
	e.logger.Warn("no longer leading: the work of the leader has ended by itself", "term", number)
	e.resign(ctx, number)
	select {
	case <-ctx.Done():
	case <-time.After(e.pause()):
	}
}

// keep renews the lease until the term is over and lead has returned.
func (e *Elector) keep(ctx context.Context, term Term, returned <-chan struct{}) {
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
	grant, until, err := e.ask(ctx, term.Number)
	switch {
	case err != nil: // the next try may have more luck, and the trust ends by itself
	case grant.Leads && grant.Term == term.Number:
		term.trust.extend(until)
	default:
		term.trust.revoke(ErrSuperseded)
	}
}

// awaitReturn waits for lead after the end of its context, and says so when that takes long.
func (e *Elector) awaitReturn(term Term, returned <-chan struct{}) {
	late := time.NewTimer(e.ttl)
	defer late.Stop()
	select {
	case <-returned:
		return
	case <-late.C:
	}
	e.logger.Error("the work of a leader goes on after its term has ended; this process leads no other before it stops",
		"term", term.Number)
	<-returned
}

// resign gives the lease of a term up, even when ctx has ended.
func (e *Elector) resign(ctx context.Context, term int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.ttl/4)
	defer cancel()
	self := e.self
	self.Term = term
	if err := e.store.Resign(ctx, self); err != nil {
		e.logger.Warn("the lease could not be resigned; if this process had it, it ends by itself", "ttl", e.ttl, "error", err)
	}
}
