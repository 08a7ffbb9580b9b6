package redistest

import (
	"errors"
	"net"

	"github.com/redis/go-redis/v9"
)

// Migration is a slot on its way from a master to another. Keys that have moved are served by the other master to those
// that the first sends there (ASK); a command with several keys, of which not all exist, is refused by both (TRYAGAIN).
type Migration struct {
	c        *Cluster
	slot     int
	From, To *Server
}

// Migrate begins to move the slot of a key to another master. No key moves before Move or End.
func (c *Cluster) Migrate(key string) *Migration {
	c.t.Helper()
	m := &Migration{c: c, slot: c.Slot(key), From: c.Master(key)}
	for _, other := range c.masters {
		if other != m.From && other.running() {
			m.To = other
		}
	}
	c.must(m.To.do("CLUSTER", "SETSLOT", m.slot, "IMPORTING", m.From.id()))
	c.must(m.From.do("CLUSTER", "SETSLOT", m.slot, "MIGRATING", m.To.id()))
	return m
}

// Move moves up to n keys of the slot, and returns how many there were.
func (m *Migration) Move(n int) int {
	m.c.t.Helper()
	keys, err := m.From.do("CLUSTER", "GETKEYSINSLOT", m.slot, n).Slice()
	if err != nil {
		m.c.t.Fatal(err)
	}
	if len(keys) == 0 {
		return 0
	}
	host, port, _ := net.SplitHostPort(m.To.addr)
	if err := m.From.do(append([]any{"MIGRATE", host, port, "", 0, 10_000, "KEYS"}, keys...)...).Err(); err != nil && !errors.Is(err, redis.Nil) {
		m.c.t.Fatal(err)
	}
	return len(keys)
}

// End moves what is left of the slot, which then belongs to the other master.
func (m *Migration) End() {
	m.c.t.Helper()
	for m.Move(1000) > 0 {
	}
	owner := m.To.id()
	m.c.must(m.To.do("CLUSTER", "SETSLOT", m.slot, "NODE", owner)) // first the new owner, so that the slot always has one
	for _, node := range m.c.masters {
		if node.running() {
			m.c.must(node.do("CLUSTER", "SETSLOT", m.slot, "NODE", owner))
		}
	}
}
