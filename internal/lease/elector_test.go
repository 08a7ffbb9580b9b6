package lease_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backbeat-go/backbeat/internal/lease"
)

const ttl = 5 * time.Second

// reign is one call of lead: a term as its leader sees it.
type reign struct {
	lease.Term
	ctx     context.Context
	id      string
	began   time.Time
	release chan struct{} // closed to let lead return
	stay    bool          // lead does not return before release is closed
}

// court runs electors in a synctest bubble.
type court struct {
	*testing.T
	store  *memory
	log    *syncBuffer
	reigns chan *reign
	stay   bool            // stay of the following reigns
	ctx    context.Context // ends when the test ends
	wg     sync.WaitGroup
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) count(line string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.buf.String(), line)
}

// inBubble runs the test in a synctest bubble, where time advances only while all goroutines are blocked.
func inBubble(t *testing.T, test func(c *court)) {
	synctest.Test(t, func(t *testing.T) {
		c := &court{T: t, store: newMemory(), log: &syncBuffer{}, reigns: make(chan *reign, 1000)}
		defer c.wg.Wait()
		ctx, end := context.WithCancel(context.Background())
		defer end()
		c.ctx = ctx
		test(c)
	})
}

// join starts an elector, which stops when the test ends or the returned function is called.
func (c *court) join(id string, clock lease.Clock) (leave func()) {
	ctx, cancel := context.WithCancel(c.ctx)
	e := lease.NewElector(c.store, lease.Holder{ID: id}, ttl, slog.New(slog.NewTextHandler(c.log, nil)), clock)
	ended := make(chan struct{})
	c.wg.Go(func() {
		defer close(ended)
		e.Run(ctx, func(ctx context.Context, t lease.Term) {
			r := &reign{Term: t, ctx: ctx, id: id, began: time.Now(), release: make(chan struct{}), stay: c.stay}
			c.reigns <- r
			r.last()
		})
	})
	return func() {
		cancel()
		<-ended
	}
}

func (r *reign) last() {
	if r.stay {
		<-r.release
		return
	}
	select {
	case <-r.ctx.Done():
	case <-r.release:
	}
}

// wantEnd waits for the end of a reign, and checks its time and cause.
func (c *court) wantEnd(r *reign, at time.Time, cause error) {
	c.Helper()
	<-r.ctx.Done()
	if now := time.Now(); !now.Equal(at) {
		c.Errorf("the term ended %v after the expected time", now.Sub(at))
	}
	if got := context.Cause(r.ctx); !errors.Is(got, cause) {
		c.Errorf("the term ended because %v, want %v", got, cause)
	}
	if r.Valid() {
		c.Error("the term is valid after its end")
	}
}

func TestLeaderStaysLeader(t *testing.T) {
	inBubble(t, func(c *court) {
		c.join("a", lease.SystemClock())
		r := <-c.reigns
		c.join("b", lease.SystemClock())
		time.Sleep(time.Hour)
		if !r.Valid() || r.ctx.Err() != nil || len(c.reigns) > 0 {
			t.Error("the leader did not remain the leader")
		}
	})
}

func TestTrustCountsFromTheRequest(t *testing.T) {
	inBubble(t, func(c *court) {
		answers := make(chan struct{})
		c.store.after = func(context.Context, lease.Candidate) error {
			select {
			case <-answers: // renewals get no answer
				<-answers
			default:
				time.Sleep(time.Second)
				close(answers)
			}
			return nil
		}
		asked := time.Now()
		c.join("a", lease.SystemClock())
		r := <-c.reigns
		c.store.set(func(m *memory) {
			m.after = nil
			m.before = func(context.Context, lease.Candidate) error { return errAway }
		})
		time.Sleep(time.Until(asked.Add(4*time.Second - 1)))
		if !r.Valid() {
			t.Error("the term ended early")
		}
		c.wantEnd(r, asked.Add(4*time.Second), lease.ErrExpired)
	})
}

// A renewal that hangs and ignores its context does not prevent the end of the term.
func TestHangingRenewal(t *testing.T) {
	inBubble(t, func(c *court) {
		hung := make(chan struct{})
		c.join("a", lease.SystemClock())
		r := <-c.reigns
		c.store.set(func(m *memory) {
			m.before = func(context.Context, lease.Candidate) error {
				<-hung
				return errAway
			}
		})
		c.wantEnd(r, r.began.Add(4*time.Second), lease.ErrExpired)
		close(hung)
	})
}

// The answer to a renewal that arrives after the end of the term does not revive the term.
func TestLateRenewal(t *testing.T) {
	inBubble(t, func(c *court) {
		c.join("a", lease.SystemClock())
		r := <-c.reigns
		c.store.set(func(m *memory) {
			m.after = func(_ context.Context, asking lease.Candidate) error {
				if asking.Term == r.Number {
					time.Sleep(10 * time.Second)
				}
				return nil
			}
		})
		c.wantEnd(r, r.began.Add(4*time.Second), lease.ErrExpired)
		second := <-c.reigns
		if second.Number <= r.Number {
			t.Errorf("term %d after term %d", second.Number, r.Number)
		}
		if r.Valid() {
			t.Error("the first term is valid again")
		}
	})
}

func TestClocks(t *testing.T) {
	tests := []struct {
		name       string
		mono, wall time.Duration
		valid      bool
	}{
		{"nothing happened", 0, 0, true},
		{"stopped for less than the lease", 2 * time.Second, 2 * time.Second, true},
		{"stopped for longer", 6 * time.Second, 6 * time.Second, false},
		{"suspended: the monotonic clock stood still", 0, 6 * time.Second, false},
		{"stopped, and the wall clock was set back", 6 * time.Second, -time.Hour, false},
		{"the wall clock was set back", 0, -time.Hour, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(c *court) {
				system := lease.SystemClock()
				var mono, wall time.Duration
				var mu sync.Mutex
				c.join("a", func() lease.Instant {
					mu.Lock()
					defer mu.Unlock()
					now := system()
					return lease.Instant{Mono: now.Mono + mono, Wall: now.Wall.Add(wall)}
				})
				r := <-c.reigns
				mu.Lock()
				mono, wall = tt.mono, tt.wall
				mu.Unlock()
				// Timers have not fired: no time has passed in the bubble.
				if got := r.Valid(); got != tt.valid {
					t.Errorf("valid: %t, want %t", got, tt.valid)
				}
				if ended := r.ctx.Err() != nil; ended == tt.valid {
					t.Errorf("the context ended: %t", ended)
				}
			})
		})
	}
}

func TestOutage(t *testing.T) {
	inBubble(t, func(c *court) {
		c.join("a", lease.SystemClock())
		c.join("b", lease.SystemClock())
		first := <-c.reigns
		time.Sleep(time.Until(first.began.Add(time.Minute)))
		c.store.set(func(m *memory) { m.before = func(context.Context, lease.Candidate) error { return errAway } })
		<-first.ctx.Done()
		if trusted := time.Since(first.began.Add(time.Minute)); trusted > 4*time.Second {
			t.Errorf("the leader trusted its lease for %v of the outage", trusted)
		}
		time.Sleep(time.Hour)
		if len(c.reigns) > 0 {
			t.Error("a process leads without a store")
		}
		c.store.set(func(m *memory) { m.before = nil })
		back := time.Now()
		second := <-c.reigns
		if second.Number <= first.Number || time.Since(back) > time.Second {
			t.Errorf("term %d after term %d, %v after the outage", second.Number, first.Number, time.Since(back))
		}
		time.Sleep(time.Minute)
		if gone, back := c.log.count("does not answer"), c.log.count("answers again"); gone != 2 || back != 2 {
			t.Errorf("two processes logged the outage %d times and the recovery %d times", gone, back)
		}
	})
}

// A leader that is killed sends no more requests and does not resign.
func TestKilledLeader(t *testing.T) {
	inBubble(t, func(c *court) {
		c.join("a", lease.SystemClock())
		first := <-c.reigns
		c.join("b", lease.SystemClock())
		time.Sleep(time.Minute)
		var ends time.Time
		c.store.set(func(m *memory) {
			ends = m.ends
			m.before = func(_ context.Context, asking lease.Candidate) error {
				if asking.ID == "a" {
					return errAway
				}
				return nil
			}
		})
		second := <-c.reigns
		if late := second.began.Sub(ends); second.id != "b" || late < 0 || late > 10*time.Millisecond {
			t.Errorf("%s leads %v after the end of the lease", second.id, late)
		}
		if second.Number <= first.Number || first.Valid() {
			t.Errorf("term %d after term %d, valid: %t", second.Number, first.Number, first.Valid())
		}
	})
}

func TestResignation(t *testing.T) {
	inBubble(t, func(c *court) {
		leaveA := c.join("a", lease.SystemClock())
		first := <-c.reigns
		c.join("b", lease.SystemClock())
		time.Sleep(time.Minute)
		told := time.Now()
		leaveA()
		second := <-c.reigns
		if second.id != "b" || !second.began.Equal(told) {
			t.Errorf("%s leads %v after the resignation", second.id, second.began.Sub(told))
		}
		if !errors.Is(context.Cause(first.ctx), context.Canceled) || first.Valid() {
			t.Errorf("the first term: %v, valid: %t", context.Cause(first.ctx), first.Valid())
		}
	})
}

func TestSuperseded(t *testing.T) {
	inBubble(t, func(c *court) {
		c.join("a", lease.SystemClock())
		r := <-c.reigns
		c.store.set(func(m *memory) {
			m.term++
			m.leader = lease.Holder{ID: "other", Term: m.term}
		})
		c.wantEnd(r, r.began.Add(ttl/4), lease.ErrSuperseded)
		second := <-c.reigns
		if want := r.Number + 2; second.Number != want {
			t.Errorf("the next term was %d, want %d", second.Number, want)
		}
	})
}

func TestLeadReturns(t *testing.T) {
	inBubble(t, func(c *court) {
		c.join("a", lease.SystemClock())
		first := <-c.reigns
		ended := time.Now()
		close(first.release)
		second := <-c.reigns
		if wait := second.began.Sub(ended); wait < 100*time.Millisecond || wait > time.Second {
			t.Errorf("it led again after %v", wait)
		}
		if second.Number != first.Number+1 || first.Valid() {
			t.Errorf("term %d after term %d, valid: %t", second.Number, first.Number, first.Valid())
		}
		c.join("b", lease.SystemClock())
		synctest.Wait()
		ended = time.Now()
		close(second.release)
		if third := <-c.reigns; third.id != "b" || !third.began.Equal(ended) {
			t.Errorf("%s leads %v later", third.id, third.began.Sub(ended))
		}
	})
}

func TestLeadDoesNotReturn(t *testing.T) {
	inBubble(t, func(c *court) {
		c.stay = true
		c.join("a", lease.SystemClock())
		first := <-c.reigns
		c.store.set(func(m *memory) { m.before = func(context.Context, lease.Candidate) error { return errAway } })
		<-first.ctx.Done()
		c.store.set(func(m *memory) { m.before = nil })
		time.Sleep(time.Hour)
		if len(c.reigns) > 0 {
			t.Error("lead runs twice at the same time")
		}
		if n := c.log.count("continues after its term"); n != 1 {
			t.Errorf("%d lines in the log", n)
		}
		c.stay = false
		close(first.release)
		if second := <-c.reigns; second.Number != first.Number+1 {
			t.Errorf("term %d after term %d", second.Number, first.Number)
		}
	})
}

// No other process gets the lease before lead has returned.
func TestResignsAfterLead(t *testing.T) {
	inBubble(t, func(c *court) {
		c.stay = true
		leaveA := c.join("a", lease.SystemClock())
		first := <-c.reigns
		c.stay = false
		c.join("b", lease.SystemClock())
		go leaveA()
		<-first.ctx.Done()
		time.Sleep(time.Second)
		if len(c.reigns) > 0 || !first.Valid() {
			t.Error("another leads, or the work that is being finished is not trusted")
		}
		close(first.release)
		released := time.Now()
		if second := <-c.reigns; !second.began.Equal(released) {
			t.Errorf("the other led %v after that", second.began.Sub(released))
		}
	})
}

func TestLostAnswer(t *testing.T) {
	inBubble(t, func(c *court) {
		c.store.after = func(context.Context, lease.Candidate) error {
			c.store.set(func(m *memory) { m.after = nil })
			return errAway
		}
		asked := time.Now()
		c.join("a", lease.SystemClock())
		r := <-c.reigns
		if wait := r.began.Sub(asked); r.Number != 1 || wait > time.Second {
			t.Errorf("it leads term %d after %v", r.Number, wait)
		}
	})
}

// A process that stops while the answer to its request is lost may hold the lease without knowing it.
func TestLastAnswerLost(t *testing.T) {
	inBubble(t, func(c *court) {
		c.store.after = func(context.Context, lease.Candidate) error { return errAway }
		leave := c.join("a", lease.SystemClock())
		synctest.Wait()
		leave()
		if !c.store.ends.IsZero() {
			t.Error("the lease was not resigned")
		}
	})
}

// A grant that arrives when it can no longer be trusted is ignored.
func TestGrantTooLate(t *testing.T) {
	inBubble(t, func(c *court) {
		c.store.after = func(context.Context, lease.Candidate) error {
			c.store.set(func(m *memory) { m.after = nil })
			time.Sleep(4 * time.Second)
			return nil
		}
		c.join("a", lease.SystemClock())
		if r := <-c.reigns; r.Number != 2 || !r.Valid() {
			t.Errorf("it leads term %d, valid: %t", r.Number, r.Valid())
		}
	})
}

// Standbys request the lease at least once a second, and not much more often.
func TestStandbyRequestRate(t *testing.T) {
	inBubble(t, func(c *court) {
		leaveA := c.join("a", lease.SystemClock())
		<-c.reigns
		leaveB := c.join("b", lease.SystemClock())
		time.Sleep(10 * time.Minute)
		leaveB()
		leaveA()
		var asked int
		for _, id := range c.store.asked {
			if id == "b" {
				asked++
			}
		}
		if asked < 600 || asked > 1200 {
			t.Errorf("a standby requested the lease %d times in 10 minutes", asked)
		}
	})
}
