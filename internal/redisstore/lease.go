package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisconn"
)

var (
	acquireScript    = scripts.Script("lease_acquire")
	resignScript     = scripts.Script("lease_resign")
	leadershipScript = scripts.Script("lease_leadership")
)

// Lease is the lease of the beat that leads.
type Lease struct{ rdb redis.UniversalClient }

var _ lease.Store = (*Lease)(nil)

// NewLease returns the lease at rdb. A client whose options set ContextTimeoutEnabled makes the elector's short
// time-outs count on a connection that has gone silent; without it the client's own, much longer ones do, and a leader
// may lose its term to one lost packet.
func NewLease(rdb redis.UniversalClient) *Lease { return &Lease{rdb} }

// record is a holder as Redis keeps it. That of a standby has neither Since nor Term, so it is always the same.
type record struct {
	ID    string `json:"id"`
	Host  string `json:"host"`
	PID   int    `json:"pid"`
	Since int64  `json:"since,omitempty"` // ms
	Term  int64  `json:"term,omitempty"`
}

func standbyRecord(h lease.Holder) ([]byte, error) {
	return json.Marshal(record{ID: h.ID, Host: h.Host, PID: h.PID})
}

// parseHolder reads a record. That of a vacancy gives a holder without ID.
func parseHolder(data string) (lease.Holder, error) {
	var r record
	if err := json.Unmarshal([]byte(data), &r); err != nil {
		return lease.Holder{}, fmt.Errorf("the record of a beat in redis cannot be read, delete %s and %s: %w", leaderKey, beatsKey, err)
	}
	h := lease.Holder{ID: r.ID, Host: r.Host, PID: r.PID, Term: r.Term}
	if r.Since > 0 {
		h.Since = time.UnixMilli(r.Since).UTC()
	}
	return h, nil
}

// Acquire does what lease.Store says. A ttl is counted in whole milliseconds.
func (l *Lease) Acquire(ctx context.Context, c lease.Candidate, ttl time.Duration) (lease.Grant, error) {
	standby, err := standbyRecord(c.Holder)
	if err != nil {
		return lease.Grant{}, err
	}
	keys := []string{leaderKey, termKey, beatsKey}
	reply, err := acquireScript.Run(ctx, l.rdb, keys, c.ID, standby, ttl.Milliseconds(), c.Term, c.Seen).Int64Slice()
	if err != nil {
		return lease.Grant{}, redisconn.Coded(err)
	}
	return lease.Grant{Leads: reply[0] == 1, Term: reply[1], Left: time.Duration(reply[2]) * time.Millisecond}, nil
}

// Resign does what lease.Store says.
func (l *Lease) Resign(ctx context.Context, h lease.Holder) error {
	standby, err := standbyRecord(h)
	if err != nil {
		return err
	}
	keys := []string{leaderKey, beatsKey}
	return redisconn.Coded(resignScript.Run(ctx, l.rdb, keys, h.ID, standby, h.Term, resignedChannel).Err())
}

// Watch does what lease.Store says. It also wakes when it has begun to listen, at first and after each lost connection.
func (l *Lease) Watch(ctx context.Context, wake func()) {
	redisconn.Subscribe(ctx, l.rdb, func(any) { wake() }, resignedChannel)
}

// Leadership returns who leads, nil if nobody does, and who stands by, ordered by host and PID. A process that has died
// is shown for as long as its lease would have lasted. Since is by the clock of Redis.
func (l *Lease) Leadership(ctx context.Context) (leader *lease.Holder, standbys []lease.Holder, err error) {
	records, err := l.records(ctx)
	if err != nil {
		return nil, nil, redisconn.Coded(err)
	}
	if records.leader != "" {
		h, err := parseHolder(records.leader)
		if err != nil {
			return nil, nil, err
		}
		if h.ID != "" {
			leader = &h
		}
	}
	standbys, err = parseStandbys(records.standbys)
	return leader, standbys, err
}

// beatRecords are the records of the leader, "" if there is none, and of the standbys.
type beatRecords struct {
	leader   string
	standbys []string
}

func (l *Lease) records(ctx context.Context) (beatRecords, error) {
	reply, err := leadershipScript.Run(ctx, l.rdb, []string{leaderKey, beatsKey}).StringSlice()
	if err != nil {
		return beatRecords{}, err
	}
	return beatRecords{reply[0], reply[1:]}, nil
}

func parseStandbys(records []string) ([]lease.Holder, error) {
	standbys := make([]lease.Holder, 0, len(records))
	for _, r := range records {
		h, err := parseHolder(r)
		if err != nil {
			return nil, err
		}
		standbys = append(standbys, h)
	}
	slices.SortFunc(standbys, func(a, b lease.Holder) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.PID, b.PID), cmp.Compare(a.ID, b.ID))
	})
	return standbys, nil
}
