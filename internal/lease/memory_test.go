package lease_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/internal/lease"
)

// memory is a Store in memory, for synctest bubbles, whose time is not real.
type memory struct {
	mu     sync.Mutex
	leader lease.Holder
	ends   time.Time
	term   int64
	asked  []string // the IDs of the candidates of all requests, in order
	wakes  map[int]func()

	// before is called before each request is handled, and may delay it or fail it.
	before hook
	// after is called before the answer is returned.
	after hook
}

// hook simulates a failure of the store.
type hook func(ctx context.Context, c lease.Candidate) error

func (h hook) call(ctx context.Context, c lease.Candidate) error {
	if h == nil {
		return nil
	}
	return h(ctx, c)
}

var errAway = errors.New("store away")

func newMemory() *memory { return &memory{wakes: make(map[int]func())} }

// set changes the store while it is in use.
func (m *memory) set(change func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *memory) Acquire(ctx context.Context, c lease.Candidate, ttl time.Duration) (lease.Grant, error) {
	var before, after hook
	m.set(func(m *memory) { before = m.before })
	if err := before.call(ctx, c); err != nil {
		return lease.Grant{}, err
	}
	grant := m.decide(c, ttl)
	m.set(func(m *memory) { after = m.after })
	return grant, after.call(ctx, c)
}

func (m *memory) decide(c lease.Candidate, ttl time.Duration) lease.Grant {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, c.ID)
	held := time.Now().Before(m.ends)
	own := held && m.leader.ID == c.ID
	switch {
	case own && (m.leader.Term == c.Term || m.leader.Term > c.Seen):
	case c.Term > 0 || held && !own:
		return lease.Grant{Term: m.term, Left: time.Until(m.ends)}
	default:
		m.term = max(m.term, c.Seen) + 1
		m.leader = lease.Holder{ID: c.ID, Term: m.term}
	}
	m.ends = time.Now().Add(ttl)
	return lease.Grant{Leads: true, Term: m.term}
}

func (m *memory) Resign(_ context.Context, h lease.Holder) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leader.ID == h.ID && (h.Term == 0 || h.Term == m.leader.Term) {
		m.ends = time.Time{}
		for _, wake := range m.wakes {
			wake()
		}
	}
	return nil
}

func (m *memory) Watch(ctx context.Context, wake func()) {
	m.mu.Lock()
	id := len(m.wakes)
	m.wakes[id] = wake
	m.mu.Unlock()
	<-ctx.Done()
	m.mu.Lock()
	m.wakes[id] = func() {}
	m.mu.Unlock()
}
