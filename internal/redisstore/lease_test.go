package redisstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// desk asks one lease again and again.
type desk struct {
	*testing.T
	server *redistest.Server
	rdb    *redis.Client
	lease  *redisstore.Lease
}

func newDesk(t *testing.T) *desk {
	s := redistest.Start(t)
	rdb := s.Client(t)
	return &desk{t, s, rdb, redisstore.NewLease(rdb)}
}

func candidate(id string, held, seen int64) lease.Candidate {
	return lease.Candidate{Holder: lease.Holder{ID: id, Host: "host-" + id, PID: 42, Term: held}, Seen: seen}
}

func (d *desk) ask(id string, held, seen int64, ttl time.Duration) lease.Grant {
	d.Helper()
	grant, err := d.lease.Acquire(d.Context(), candidate(id, held, seen), ttl)
	must(d.T, err)
	return grant
}

// want asks for a lease of a minute and compares the answer: the term, positive for whoever leads it.
func (d *desk) want(id string, held, seen, term int64) {
	d.Helper()
	grant := d.ask(id, held, seen, time.Minute)
	grant.Left = 0 // differs from run to run
	if want := (lease.Grant{Leads: term > 0, Term: max(term, -term)}); grant != want {
		d.Errorf("%s, leading %d and having seen %d, is answered %+v, want %+v", id, held, seen, grant, want)
	}
}

func (d *desk) resign(id string, term int64) {
	d.Helper()
	must(d.T, d.lease.Resign(d.Context(), candidate(id, term, 0).Holder))
}

// expire ends the lease, as time does.
func (d *desk) expire() {
	d.Helper()
	must(d.T, d.rdb.Del(d.Context(), "backbeat:schedules:{beat}:leader").Err())
}

func (d *desk) flush() {
	d.Helper()
	must(d.T, d.rdb.FlushAll(d.Context()).Err())
}

// refused is how want is told that another leads the term.
func refused(term int64) int64 { return -term }

func TestAcquire(t *testing.T) {
	d := newDesk(t)
	d.want("a", 0, 0, 1)
	d.want("a", 1, 1, 1)
	d.want("b", 0, 0, refused(1))

	// The answer was lost: the same question again gets the same term.
	d.expire()
	d.want("b", 0, 1, 2)
	d.want("b", 0, 1, 2)
	// One that has led its term to an end, and could not say so, begins a new one.
	d.want("b", 0, 2, 3)
	// One whose lease is another's, or was in between, must step down.
	d.want("a", 1, 1, refused(3))
	d.expire()
	d.want("a", 1, 1, refused(3))
	d.want("b", 2, 2, refused(3))
	// One whose lease ended, and nobody has led since, goes on.
	d.want("b", 3, 3, 3)
	// An old question, answered late, changes nothing.
	d.want("b", 2, 2, 3)
	d.want("b", 3, 3, 3)
}

func TestResign(t *testing.T) {
	d := newDesk(t)
	d.want("a", 0, 0, 1)
	d.resign("b", 0)
	d.resign("b", 1)
	d.resign("a", 7) // of another term
	d.want("b", 0, 0, refused(1))
	d.resign("a", 1)
	d.want("b", 0, 1, 2)
	d.resign("b", 0)
	d.want("a", 0, 1, 3)
	d.resign("a", 3)
	d.resign("a", 3)
}

func TestLeaseEnds(t *testing.T) {
	d := newDesk(t)
	const ttl = 200 * time.Millisecond
	asked := time.Now()
	d.ask("a", 0, 0, ttl)
	for {
		grant := d.ask("b", 0, 1, ttl)
		if grant.Leads {
			break
		}
		time.Sleep(grant.Left) // it says when to come back
	}
	// Redis counts in whole milliseconds.
	if took := time.Since(asked); took < ttl-time.Millisecond {
		t.Errorf("the lease ended after %v", took)
	}
}

func TestRenewalKeepsLease(t *testing.T) {
	d := newDesk(t)
	d.ask("a", 0, 0, 10*time.Second)
	d.ask("a", 1, 1, time.Hour)
	if left := d.ask("b", 0, 1, time.Hour).Left; left < 59*time.Minute {
		t.Errorf("%v left after a renewal for an hour", left)
	}
}

// A Redis that has lost its data does not know who leads. Nobody else may, for as long as that one may believe in it.
func TestDataLost(t *testing.T) {
	t.Run("the leader lives", func(t *testing.T) {
		d := newDesk(t)
		d.ask("a", 0, 6, time.Minute)
		d.flush()
		d.want("b", 0, 7, refused(7))
		d.want("c", 0, 6, refused(7))
		d.want("a", 7, 7, 7)
		d.want("b", 0, 7, refused(7))
	})
	t.Run("nobody noticed", func(t *testing.T) {
		d := newDesk(t)
		d.flush()
		d.want("a", 7, 7, 7)
		d.want("b", 0, 7, refused(7))
	})
	t.Run("the leader is dead", func(t *testing.T) {
		d := newDesk(t)
		d.want("b", 0, 7, refused(7))
		if leader, _ := d.leadership(); leader != nil {
			t.Errorf("%+v leads", leader)
		}
		d.want("c", 0, 9, refused(9)) // has heard of more, and does not make it longer
		d.expire()
		d.want("b", 0, 7, 10)
	})
	t.Run("it was told that its term is over", func(t *testing.T) {
		d := newDesk(t)
		d.want("a", 0, 7, refused(7))
		d.expire()
		d.want("a", 0, 7, 8)
	})
	t.Run("the leader is of an older term", func(t *testing.T) {
		d := newDesk(t)
		d.want("b", 0, 9, refused(9))
		d.want("a", 7, 7, refused(9))
	})
	t.Run("somebody who knows nothing leads", func(t *testing.T) {
		d := newDesk(t)
		d.want("new", 0, 0, 1)
		d.want("a", 7, 7, refused(1))
		d.want("b", 0, 7, refused(1))
		d.want("new", 1, 1, 1)
		d.resign("new", 1)
		d.want("b", 0, 7, refused(7)) // once a vacancy, for there may have been another leader of 7
		d.expire()
		d.want("b", 0, 7, 8)
	})
}

func (d *desk) leadership() (*lease.Holder, []lease.Holder) {
	d.Helper()
	leader, standbys, err := d.lease.Leadership(d.Context())
	must(d.T, err)
	return leader, standbys
}

func (d *desk) wantLeadership(leader *lease.Holder, standbys ...lease.Holder) {
	d.Helper()
	gotLeader, gotStandbys := d.leadership()
	if diff := cmp.Diff(leader, gotLeader); diff != "" {
		d.Errorf("leader (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(append([]lease.Holder{}, standbys...), gotStandbys); diff != "" {
		d.Errorf("standbys (-want +got):\n%s", diff)
	}
}

func TestLeadership(t *testing.T) {
	d := newDesk(t)
	d.wantLeadership(nil)
	now := d.rdb.Time(t.Context()).Val().Truncate(time.Millisecond)
	for _, id := range []string{"c", "b", "a"} {
		d.ask(id, 0, 0, time.Minute)
	}
	a, b, c := candidate("a", 0, 0).Holder, candidate("b", 0, 0).Holder, candidate("c", 1, 0).Holder
	leader, _ := d.leadership()
	c.Since = leader.Since
	if c.Since.Before(now) || c.Since.After(now.Add(patience)) {
		t.Errorf("leading since %v, asked at %v", c.Since, now)
	}
	d.wantLeadership(&c, a, b)

	// A renewal changes nothing of that, nor does the wish of a standby.
	d.ask("c", 1, 1, time.Minute)
	d.ask("b", 0, 1, time.Minute)
	d.wantLeadership(&c, a, b)

	// Whoever leads stands by no longer, and whoever has resigned does neither.
	d.resign("c", 1)
	d.wantLeadership(nil, a, b)
	d.ask("a", 0, 1, time.Minute)
	leader, _ = d.leadership()
	a.Term, a.Since = 2, leader.Since
	d.wantLeadership(&a, b)
	d.resign("b", 0)
	d.wantLeadership(&a)
}

// A standby is shown until it has been silent for a TTL. What others write then sweeps it away.
func TestDeadVanish(t *testing.T) {
	d := newDesk(t)
	d.ask("a", 0, 0, time.Minute)
	d.ask("b", 0, 0, time.Minute)
	d.ask("dead", 0, 1, time.Millisecond)
	redistest.Poll(t, patience, "the dead standby is no longer shown", func() bool {
		_, standbys := d.leadership()
		return len(standbys) == 1
	})
	d.ask("b", 0, 1, time.Minute)
	if n := d.rdb.ZCard(t.Context(), "backbeat:schedules:{beat}:beats").Val(); n != 1 {
		t.Errorf("%d standbys are kept", n)
	}
}

// When all are dead, nothing stays but the count of terms.
func TestNothingStays(t *testing.T) {
	d := newDesk(t)
	d.ask("a", 0, 0, 300*time.Millisecond)
	d.ask("b", 0, 0, 300*time.Millisecond)
	redistest.Poll(t, patience, "only the term is left", func() bool {
		keys := d.rdb.Keys(t.Context(), "*").Val()
		return cmp.Equal(keys, []string{"backbeat:schedules:{beat}:term"})
	})
	d.wantLeadership(nil)
}

// watch returns a channel that gets a word whenever the watcher is woken, after the first time.
func (d *desk) watch() <-chan struct{} {
	words := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.lease.Watch(ctx, func() { words <- struct{}{} })
	}()
	d.Cleanup(func() {
		cancel()
		<-ended
	})
	d.wantWord(words) // it listens
	return words
}

func (d *desk) wantWord(words <-chan struct{}) {
	d.Helper()
	select {
	case <-words:
	case <-time.After(patience):
		d.Fatal("nobody was woken")
	}
}

func TestWatch(t *testing.T) {
	d := newDesk(t)
	words := d.watch()
	d.ask("a", 0, 0, time.Minute)
	d.resign("b", 0)
	d.resign("a", 9)
	d.resign("a", 1)
	d.wantWord(words)
	if len(words) > 0 {
		t.Error("a resignation that was none woke somebody")
	}
	d.server.Kill()
	d.server.Restart()
	d.wantWord(words) // something may have been missed
	for len(words) > 0 {
		<-words
	}
	d.ask("a", 0, 0, time.Minute)
	d.resign("a", 0)
	d.wantWord(words)
}

func TestRedisAway(t *testing.T) {
	d := newDesk(t)
	rdb := redis.NewClient(&redis.Options{Addr: d.server.Addr(), MaxRetries: -1, DialerRetries: 1})
	defer rdb.Close()
	d.lease = redisstore.NewLease(rdb)
	d.server.Kill()
	_, err := d.lease.Acquire(t.Context(), candidate("a", 0, 0), time.Minute)
	_, _, err2 := d.lease.Leadership(t.Context())
	for _, err := range []error{err, err2, d.lease.Resign(t.Context(), candidate("a", 0, 0).Holder)} {
		if task.CodeOf(err) != task.CodeUnavailable {
			t.Errorf("%v has no code that says so", err)
		}
	}
}
