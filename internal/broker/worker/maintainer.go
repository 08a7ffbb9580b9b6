package worker

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/outbox"
	"github.com/backbeat-go/backbeat/internal/broker/recovery"
	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/notifier"
	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/redisconn"
)

const (
	// probeInterval is how often a maintainer looks for what has come without notice.
	probeInterval = time.Second
	// In a cluster each queue takes a command of its own, so that many queues are probed at longer intervals.
	clusterProbePer = 20 * time.Millisecond // a queue
	clusterProbeMax = 5 * time.Second
	// outagePause is how long a job waits after a failure: each call to a Redis that is away costs a connection that is not
	// made.
	outagePause = 2 * time.Second
	// jobsAtOnce bounds the jobs of one kind that run at a time for the queues of one node.
	jobsAtOnce = 4
	// stuckAfter is how long a job may run before its worker lets others maintain the queues too.
	stuckAfter = 3 * time.Second
)

// job is a kind of maintenance that a queue needs.
type job int

const (
	jobForward job = iota // move what is due into the queue
	jobSweep              // end what has expired, drop what has been kept long enough
	jobRecover            // restore the tasks of workers that died
	jobRelay              // make tasks of the callbacks in the outbox
	jobAdopt              // give an end to the retention of what others have archived
	jobCount
)

var jobNames = [jobCount]string{"forward", "sweep", "recover", "relay", "adopt"}

// maintainer maintains the queues that this worker serves. Of the workers that serve the same queues one does so, see
// maintenance_lock.go; were it two, each script is safe to run twice.
//
// A queue costs nothing while it has nothing: once a second, one command finds out which keys have appeared (probe.go). What
// is there tells when it needs a job, and pub/sub when it does so earlier. Each job is one script, in a goroutine of its own, so
// that a queue which fails, or has much to do, delays no other.
type maintainer struct {
	*Server
	lock      maintenanceLock
	callbacks *outbox.Relay
	recovery  *recovery.Recovery
	nodes     redisconn.Nodes
	calls     sync.WaitGroup    // probes and jobs in flight
	changed   notifier.Notifier // holds one after a wake, and when a call has ended

	mu      sync.Mutex
	queues  map[string]*upkeep
	order   []*upkeep // sorted by name
	first   int       // the queue that has the first turn
	running map[nodeJob]int
	probing map[string]bool // nodes
	probeAt time.Time
}

type nodeJob struct {
	node string
	job  job
}

// upkeep is what a maintainer knows of a queue. Whoever runs a job of the queue owns the state of that job.
type upkeep struct {
	name       string
	node       string
	maintained bool // by this worker
	sets       []*watchedSet
	jobs       [jobCount]jobState
	// answersSince is since when Redis has answered without a failure; zero if the newest call failed.
	answersSince time.Time

	sweepPlace int
	leases     recovery.LeaseWatch
	deliveries []script.Delivery
	adoptions  int
}

// jobState says when a job is to run: at a time, or not until somebody says so.
type jobState struct {
	at      time.Time
	running bool
	began   time.Time // if it runs
}

// by makes the job run at the time, or earlier.
func (s *jobState) by(at time.Time) {
	if s.at.IsZero() || at.Before(s.at) {
		s.at = at
	}
}

func newMaintainer(s *Server) *maintainer {
	m := &maintainer{
		Server:  s,
		changed: notifier.New(),
		queues:  make(map[string]*upkeep, len(s.cfg.Queues)),
		running: make(map[nodeJob]int),
		probing: make(map[string]bool),
	}
	m.recovery = recovery.New(s.rdb, s.clock.Ahead)
	m.callbacks = outbox.New(s.rdb, s.id, s.cfg.Types, s.cfg.Callback, s.clock.Now, s.cfg.Logger)
	m.lock = newMaintenanceLock(s.rdb, s.cfg.Callback != nil)
	m.nodes = redisconn.NewNodes(s.rdb)
	for _, q := range s.cfg.Queues {
		u := &upkeep{name: q.Name, leases: make(recovery.LeaseWatch)}
		u.sets = watchedSets(q.Name, s.cfg.Callback != nil)
		m.queues[q.Name] = u
		m.order = append(m.order, u)
	}
	slices.SortFunc(m.order, func(a, b *upkeep) int { return strings.Compare(a.name, b.name) })
	return m
}

// run maintains until ctx ends, and then leaves the queues to another worker.
func (m *maintainer) run(ctx context.Context) {
	for ctx.Err() == nil {
		timer := time.NewTimer(time.Until(m.step(ctx)))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-m.changed:
		}
		timer.Stop()
	}
	m.calls.Wait()
	m.lock.release(ctx)
}

// wake makes a job run at once, if this worker maintains the queue.
func (m *maintainer) wake(queue string, j job) {
	if j == jobRelay && m.cfg.Callback == nil {
		return // that is for others
	}
	m.mu.Lock()
	if u := m.queues[queue]; u != nil && u.maintained {
		u.jobs[j].by(time.Now())
	}
	m.mu.Unlock()
	m.changed.Notify()
}

// wakeAll has everything probed at once: anything may have come without notice.
func (m *maintainer) wakeAll() {
	m.mu.Lock()
	m.probeAt = time.Time{}
	for _, u := range m.order {
		for _, set := range u.sets {
			set.readAt = time.Time{}
		}
	}
	m.mu.Unlock()
	m.changed.Notify()
}

// step starts what it is time for, and returns when to come back.
func (m *maintainer) step(ctx context.Context) time.Time {
	m.locate(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if !now.Before(m.probeAt) {
		m.probeAt = now.Add(m.probeInterval())
		m.startProbes(ctx)
	}
	next := m.probeAt
	m.first++
	for i := range m.order {
		if at := m.startJobs(ctx, m.order[(m.first+i)%len(m.order)], now); at.Before(next) {
			next = at
		}
	}
	return next
}

// locate finds out which nodes have the queues, when they are to be probed.
func (m *maintainer) locate(ctx context.Context) {
	m.mu.Lock()
	due := !time.Now().Before(m.probeAt)
	m.mu.Unlock()
	if !m.nodes.Several() || !due {
		return
	}
	for _, u := range m.order {
		node := m.nodes.Of(ctx, wire.PendingKey(u.name))
		m.mu.Lock()
		u.node = node
		m.mu.Unlock()
	}
}

func (m *maintainer) probeInterval() time.Duration {
	if !m.nodes.Several() {
		return probeInterval
	}
	return min(max(probeInterval, time.Duration(len(m.order))*clusterProbePer), clusterProbeMax)
}

// startProbes probes the queues of each node by itself, unless its last probe is still in flight. The lock is held.
func (m *maintainer) startProbes(ctx context.Context) {
	nodes := make(map[string][]*upkeep, 1)
	for _, u := range m.order {
		nodes[u.node] = append(nodes[u.node], u)
	}
	for node, queues := range nodes {
		if m.probing[node] {
			continue
		}
		m.probing[node] = true
		m.calls.Go(func() {
			m.maintain(ctx, node, queues)
			m.mu.Lock()
			delete(m.probing, node)
			m.mu.Unlock()
			m.changed.Notify()
		})
	}
}

// maintain probes queues of one node, if it is this worker that maintains them.
func (m *maintainer) maintain(ctx context.Context, node string, queues []*upkeep) {
	stuck := m.stuck(queues)
	held, err := true, error(nil)
	if !stuck {
		held, err = m.lock.hold(ctx, node, queues)
	}
	if ctx.Err() != nil {
		return
	}
	// Nobody has a lock that cannot be reached; then all maintain.
	held = held || err != nil
	m.mu.Lock()
	for _, u := range queues {
		if err == nil && !stuck && u.answersSince.IsZero() {
			u.answersSince = time.Now()
		}
		if u.maintained != held {
			u.assign(held)
		}
	}
	m.mu.Unlock()
	if held {
		m.probe(ctx, queues)
	}
	if err != nil {
		pause.For(ctx, outagePause)
	}
}

// stuck reports whether a job of one of the queues does not end. The worker does what it still can, and lets its lock end.
func (m *maintainer) stuck(queues []*upkeep) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(queues, func(u *upkeep) bool {
		return slices.ContainsFunc(u.jobs[:], func(s jobState) bool { return s.running && time.Since(s.began) > stuckAfter })
	})
}

// assign makes the worker maintain the queue, of which it knows nothing, or no longer.
func (u *upkeep) assign(maintained bool) {
	u.maintained = maintained
	for _, set := range u.sets {
		set.present, set.readAt = false, time.Time{}
	}
	for j := range u.jobs {
		u.jobs[j].at = time.Time{}
	}
}

// startJobs starts the jobs of a queue that it is time for, and returns when the next one is due; far away if none is. The
// lock is held.
func (m *maintainer) startJobs(ctx context.Context, u *upkeep, now time.Time) (next time.Time) {
	next = now.Add(time.Hour)
	if !u.maintained {
		return next
	}
	for i := range u.jobs {
		state, slot := &u.jobs[i], nodeJob{u.node, job(i)}
		switch {
		case state.running || state.at.IsZero():
		case state.at.After(now):
			if state.at.Before(next) {
				next = state.at
			}
		case m.running[slot] < jobsAtOnce: // else the end of another one brings us back
			m.running[slot]++
			state.running, state.began, state.at = true, now, time.Time{}
			m.calls.Go(func() { m.runJob(ctx, u, slot) })
		}
	}
	return next
}

func (m *maintainer) runJob(ctx context.Context, u *upkeep, slot nodeJob) {
	wait, err := m.do(ctx, u, slot.job)
	if err != nil && ctx.Err() == nil {
		m.cfg.Logger.Debug("queue not maintained", "job", jobNames[slot.job], "queue", u.name, "error", err)
	}
	m.mu.Lock()
	if m.running[slot]--; m.running[slot] == 0 {
		delete(m.running, slot)
	}
	state := &u.jobs[slot.job]
	state.running = false
	switch {
	case !u.maintained:
	case err != nil:
		state.at = time.Now().Add(outagePause)
	case wait >= 0:
		state.by(time.Now().Add(wait))
	}
	m.mu.Unlock()
	m.changed.Notify()
}

// do does a job once, and returns when it has something to do again: 0 at once, and negative if somebody has to say so.
func (m *maintainer) do(ctx context.Context, u *upkeep, j job) (time.Duration, error) {
	switch j {
	case jobForward:
		return m.forward(ctx, u)
	case jobSweep:
		return m.sweep(ctx, u)
	case jobRecover:
		return m.recover(ctx, u)
	case jobAdopt:
		return m.adopt(ctx, u)
	default:
		return m.relay(ctx, u)
	}
}

// logDamaged logs tasks whose keys are damaged.
func (s *Server) logDamaged(queue string, damaged []script.Damaged) {
	for _, d := range damaged {
		s.cfg.Logger.Error("task is damaged", "task", d.ID, "queue", queue, "error", d.Error)
	}
}
