package worker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/recovery"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

const (
	// probeKeys is how many keys one command asks for.
	probeKeys = 1000
	// probeReads bounds how many sets are read a probe, of the queues of one node.
	probeReads = 150
	// readOften and readSeldom are how often a set that has members is looked at for one that is due earlier.
	readOften  = time.Second
	readSeldom = 5 * time.Second // those that hold what has ended
)

// watchedSet is a key of a queue. While it exists the queue may need a job.
type watchedSet struct {
	key   string
	other string // of the active list: the leases
	job   job
	kind  setKind
	unit  time.Duration // of the scores
	lead  time.Duration // how long before its score the first member needs the job
	every time.Duration // how often it is read

	present bool
	readAt  time.Time // when it is to be read again
}

type setKind int

const (
	byTime  setKind = iota // a sorted set; the scores are times
	stream                 // needs the job while it has entries
	ownerOf                // a list; needs the job if it is longer than the other key
)

func watchedSets(queue string, callbacks bool) []*watchedSet {
	ms, s := time.Millisecond, time.Second
	sets := []*watchedSet{
		{key: wire.DueKey(queue), job: jobForward, unit: ms, every: readOften},
		{key: wire.ScheduledKey(queue), job: jobForward, unit: s, every: readOften},
		{key: wire.RetryKey(queue), job: jobForward, unit: s, every: readOften},
		{key: wire.ExpiresKey(queue), job: jobSweep, unit: ms, every: readOften},
		{key: wire.OwnPrefix(queue) + "failed", job: jobSweep, unit: ms, every: readSeldom},
		{key: wire.OwnPrefix(queue) + "canceled", job: jobSweep, unit: ms, every: readSeldom},
		{key: wire.OwnPrefix(queue) + "expired", job: jobSweep, unit: ms, every: readSeldom},
		{key: wire.CompletedKey(queue), job: jobSweep, unit: s, every: readSeldom},
		{key: wire.ArchivedKey(queue), job: jobAdopt, unit: s, every: adoptInterval}, // when they were archived
		{key: wire.LeaseKey(queue), job: jobRecover, unit: s, lead: recovery.LeaseDuration - recovery.Doubt, every: readOften},
		{key: wire.ActiveKey(queue), other: wire.LeaseKey(queue), kind: ownerOf, job: jobRecover, every: readOften},
	}
	if callbacks {
		sets = append(sets, &watchedSet{key: wire.CallbacksKey(queue), kind: stream, job: jobRelay, every: readOften})
	}
	return sets
}

// probe finds out which queues of one node need a job, and when.
func (m *maintainer) probe(ctx context.Context, queues []*upkeep) {
	absent, present := m.split(queues)
	m.findNew(ctx, absent)
	m.readSets(ctx, present)
}

// queueSet is a set and its queue.
type queueSet struct {
	u   *upkeep
	set *watchedSet
}

// split returns the sets that are believed not to exist, and those that are to be read now.
func (m *maintainer) split(queues []*upkeep) (absent, due []queueSet) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for i := range queues {
		u := queues[(m.first+i)%len(queues)] // another is the first each time, in case they are too many
		for _, set := range u.sets {
			switch {
			case !set.present:
				absent = append(absent, queueSet{u, set})
			case len(due) < probeReads && !now.Before(set.readAt):
				due = append(due, queueSet{u, set})
			}
		}
	}
	return absent, due
}

// findNew looks for sets that have come to exist. Their jobs run at once, and tell when to run again.
func (m *maintainer) findNew(ctx context.Context, absent []queueSet) {
	if m.nodes.Several() {
		absent = m.anyOfQueue(ctx, absent)
	}
	for part := range slices.Chunk(absent, probeKeys) {
		keys := make([]string, len(part))
		for i, qs := range part {
			keys[i] = qs.set.key
		}
		found := m.nodes.Exist(ctx, keys)
		m.mu.Lock()
		now := time.Now()
		for i, qs := range part {
			m.answered(qs.u, found[i].Err)
			if found[i].Exists && qs.u.maintained {
				qs.set.present, qs.set.readAt = true, now.Add(qs.set.every)
				qs.u.jobs[qs.set.job].by(now)
			}
		}
		m.mu.Unlock()
	}
}

// anyOfQueue returns the sets of those queues of which at least one exists, by one command a queue.
func (m *maintainer) anyOfQueue(ctx context.Context, absent []queueSet) []queueSet {
	var groups [][]queueSet
	for len(absent) > 0 {
		n := slices.IndexFunc(absent, func(qs queueSet) bool { return qs.u != absent[0].u })
		if n < 0 {
			n = len(absent)
		}
		groups, absent = append(groups, absent[:n]), absent[n:]
	}
	cmds := make([]*redis.IntCmd, len(groups))
	_, _ = m.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error { // each reply has its own error
		for i, group := range groups {
			keys := make([]string, len(group))
			for k, qs := range group {
				keys[k] = qs.set.key
			}
			cmds[i] = pipe.Exists(ctx, keys...)
		}
		return nil
	})
	var some []queueSet
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, cmd := range cmds {
		n, err := cmd.Result()
		m.answered(groups[i][0].u, err)
		if n > 0 {
			some = append(some, groups[i]...)
		}
	}
	return some
}

// readSets asks when the sets need their jobs, which are made to run then, unless they run earlier anyhow.
func (m *maintainer) readSets(ctx context.Context, due []queueSet) {
	if len(due) == 0 {
		return
	}
	reads := make([]func() (setReply, error), len(due))
	_, _ = m.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error { // each reply has its own error
		for i, qs := range due {
			reads[i] = qs.set.read(ctx, pipe)
		}
		return nil
	})
	ahead := m.clock.Ahead()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for i, qs := range due {
		reply, err := reads[i]()
		m.answered(qs.u, err)
		if !qs.u.maintained || err != nil {
			continue
		}
		qs.set.present, qs.set.readAt = reply.exists, now.Add(qs.set.every)
		if reply.exists && reply.now {
			qs.u.jobs[qs.set.job].by(now)
		} else if reply.exists && !reply.at.IsZero() {
			qs.u.jobs[qs.set.job].by(reply.at.Add(-qs.set.lead - ahead))
		}
	}
}

// setReply says of a set whether it exists, and when its job is due: now, or at a time of Redis.
type setReply struct {
	exists, now bool
	at          time.Time
}

// read asks for a set in a pipeline, and returns what reads the reply.
func (s *watchedSet) read(ctx context.Context, pipe redis.Pipeliner) func() (setReply, error) {
	switch s.kind {
	case stream:
		length := pipe.XLen(ctx, s.key)
		return func() (setReply, error) { // an empty stream is a key all the same
			return setReply{exists: true, now: length.Val() > 0}, length.Err()
		}
	case ownerOf:
		length, leases := pipe.LLen(ctx, s.key), pipe.ZCard(ctx, s.other)
		return func() (setReply, error) {
			return setReply{exists: length.Val() > 0, now: length.Val() > leases.Val()}, errors.Join(length.Err(), leases.Err())
		}
	default:
		first := pipe.ZRangeWithScores(ctx, s.key, 0, 0)
		return func() (setReply, error) {
			if len(first.Val()) == 0 {
				return setReply{}, first.Err()
			}
			at := time.UnixMilli(int64(first.Val()[0].Score * float64(s.unit/time.Millisecond)))
			return setReply{exists: true, at: at}, first.Err()
		}
	}
}

// answered notes whether Redis has answered for a queue. A key of a wrong type says nothing of Redis. The lock is held.
func (m *maintainer) answered(u *upkeep, err error) {
	switch {
	case err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE"):
		u.answersSince = time.Time{}
	case u.answersSince.IsZero():
		u.answersSince = time.Now()
	}
}
