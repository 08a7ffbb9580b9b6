package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/redistest"
)

// beat is a process of an election, as far as that can be had in one process.
type beat struct {
	id    string
	link  *redistest.Link
	rdb   *redis.Client
	stop  context.CancelFunc
	ended chan struct{}
	heard chan struct{} // closed when Redis has answered for the first time

	once   sync.Once
	mu     sync.Mutex
	dead   bool          // says nothing to Redis any more, not even that it resigns
	frozen chan struct{} // what it has to say waits until this is closed
}

var errDead = errors.New("this process is dead")

// wait returns when the beat may speak.
func (b *beat) wait() error {
	b.mu.Lock()
	frozen := b.frozen
	b.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dead {
		return errDead
	}
	return nil
}

func (b *beat) freeze() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frozen = make(chan struct{})
}

func (b *beat) thaw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.frozen)
	b.frozen = nil
}

func (b *beat) kill() {
	b.mu.Lock()
	b.dead = true
	b.mu.Unlock()
	b.leave()
}

func (b *beat) leave() {
	b.stop()
	<-b.ended
	b.rdb.Close()
	b.link.Close()
}

// gone reports whether the beat has ended.
func (b *beat) gone() bool {
	select {
	case <-b.ended:
		return true
	default:
		return false
	}
}

// throttled is the lease as a beat sees it.
type throttled struct {
	*redisstore.Lease
	beat *beat
}

func (s throttled) Acquire(ctx context.Context, c lease.Candidate, ttl time.Duration) (lease.Grant, error) {
	if err := s.beat.wait(); err != nil {
		return lease.Grant{}, err
	}
	grant, err := s.Lease.Acquire(ctx, c, ttl)
	if err == nil {
		s.beat.once.Do(func() { close(s.beat.heard) })
	}
	return grant, err
}

func (s throttled) Resign(ctx context.Context, h lease.Holder) error {
	if err := s.beat.wait(); err != nil {
		return err
	}
	return s.Lease.Resign(ctx, h)
}

// reign is a term that somebody leads.
type reign struct {
	lease.Term
	beat *beat
}

// election watches that never two beats take themselves for the leader.
type election struct {
	*testing.T
	server *redistest.Server
	began  chan reign

	mu     sync.Mutex
	joined int
	reigns []reign // those whose lead has not returned
	last   int64
}

func newElection(t *testing.T) *election {
	return &election{T: t, server: redistest.Start(t, redistest.WithAOF()), began: make(chan reign, 10_000)}
}

func (e *election) join() *beat {
	e.Helper()
	e.joined++
	link, err := redistest.NewLink(e.server.Addr())
	must(e.T, err)
	ctx, stop := context.WithCancel(context.Background())
	b := &beat{
		id:    fmt.Sprintf("beat-%d", e.joined),
		link:  link,
		rdb:   redis.NewClient(&redis.Options{Addr: link.Addr(), MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true}),
		stop:  stop,
		ended: make(chan struct{}),
		heard: make(chan struct{}),
	}
	elector := lease.NewElector(throttled{redisstore.NewLease(b.rdb), b}, lease.Holder{ID: b.id, PID: e.joined}, shortTTL,
		slog.New(slog.DiscardHandler), lease.SystemClock())
	go func() {
		defer close(b.ended)
		elector.Run(ctx, func(ctx context.Context, t lease.Term) { e.lead(ctx, reign{t, b}) })
	}()
	// A newcomer that knows of no term takes a Redis that has lost its data for a new one.
	<-b.heard
	return b
}

func (e *election) lead(ctx context.Context, self reign) {
	e.enter(self)
	defer e.exit(self)
	e.began <- self
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		e.watch(self)
		select {
		case <-ctx.Done():
			e.watch(self)
			return
		case <-tick.C:
		}
	}
}

func (e *election) enter(self reign) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if self.Number <= e.last {
		e.Errorf("%s leads term %d after term %d", self.beat.id, self.Number, e.last)
	}
	e.last = self.Number
	e.reigns = append(e.reigns, self)
}

func (e *election) exit(self reign) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, r := range e.reigns {
		if r == self {
			e.reigns = append(e.reigns[:i], e.reigns[i+1:]...)
			return
		}
	}
}

// watch fails the test if another leads at a moment at which self does. A term that was valid before that moment and is
// valid after it was so in it.
func (e *election) watch(self reign) {
	if !self.Valid() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.reigns {
		if r != self && r.Valid() && self.Valid() {
			e.Errorf("%s leads term %d and %s term %d", self.beat.id, self.Number, r.beat.id, r.Number)
		}
	}
}

// next waits for a reign after the term.
func (e *election) next(after int64) reign {
	e.Helper()
	timeout := time.After(patience)
	for {
		select {
		case r := <-e.began:
			if r.Number > after && !r.beat.gone() {
				return r
			}
		case <-timeout:
			e.Fatalf("nobody leads after term %d", after)
		}
	}
}

// What may happen to a leader, to its network and to Redis, in any order.
func TestElection(t *testing.T) {
	e := newElection(t)
	beats := make(map[*beat]bool)
	for range 5 {
		beats[e.join()] = true
	}
	defer func() {
		for b := range beats {
			b.leave()
		}
	}()
	replace := func(b *beat) func() {
		delete(beats, b)
		return func() { beats[e.join()] = true }
	}
	admin := e.server.Client(t)
	store := redisstore.NewLease(admin)
	faults := map[string]func(r reign) (undo func()){
		"killed": func(r reign) func() {
			r.beat.kill()
			return replace(r.beat)
		},
		"told to stop": func(r reign) func() {
			r.beat.leave()
			return replace(r.beat)
		},
		"frozen": func(r reign) func() {
			r.beat.freeze()
			return r.beat.thaw
		},
		"cut off": func(r reign) func() {
			r.beat.link.Cut()
			return r.beat.link.Mend
		},
		"redis restarts": func(reign) func() {
			e.server.Kill()
			e.server.Restart()
			return nil
		},
		"redis loses its data": func(reign) func() {
			must(t, admin.FlushAll(t.Context()).Err())
			return nil
		},
	}
	var order []string
	for name := range faults {
		order = append(order, name, name)
	}
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	current := e.next(0)
	for _, name := range order {
		t.Logf("%s leads term %d: %s", current.beat.id, current.Number, name)
		undo := faults[name](current)
		if undo == nil {
			// What befell Redis need not have ended the term.
			redistest.Poll(t, patience, "somebody leads", func() bool {
				leader, _, err := store.Leadership(t.Context())
				return err == nil && leader != nil
			})
			continue
		}
		current = e.next(current.Number)
		undo()
	}
}
