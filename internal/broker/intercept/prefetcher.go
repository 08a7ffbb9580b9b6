package intercept

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/notifier"
	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// freshFor is how long a fetched task may wait for its start. Then it is requeued: other workers may have free slots.
	freshFor = 250 * time.Millisecond
	// duplicateFor is how long a task waits of which this worker still runs an older attempt. Then it is requeued.
	duplicateFor = 2 * time.Second
)

// prefetcher hands tasks to asynq's processor, which asks queue by queue, in an order that follows the weights or the
// priorities. It fetches as many tasks at once as there are free slots, from several queues in shares by weight, and
// remembers which queues are empty: asking for those, and for tasks that it holds, costs nothing. When there is nothing at
// all it waits until it is woken.
//
// Each queue counts by itself: one that fails is polled with a backoff, and nobody waits for it.
type prefetcher struct {
	rdb         redis.UniversalClient
	nodes       redisconn.Nodes
	cfg         Config
	worker      string
	interceptor *Interceptor
	pace        pace
	quit        chan struct{} // closed when no more tasks are to be taken

	calls   sync.WaitGroup    // fetches and polls in flight
	changed notifier.Notifier // holds one after a wake, and when a call has ended
	brought notifier.Notifier // holds one after a fetch that brought tasks

	mu         sync.Mutex
	queues     map[string]*queueState
	order      []*queueState // as configured
	duplicates []*Attempt    // of attempts that this worker still runs
	total      int           // tasks held, without duplicates
	asked      int           // for how many tasks the fetches in flight ask that somebody waits for
	batch      int           // how many tasks the newest fetches brought
	idleAt     time.Time     // when to poll idle queues
	pollAt     time.Time     // when to poll any
	closed     bool
}

func newPrefetcher(rdb redis.UniversalClient, cfg Config, l *Interceptor) *prefetcher {
	p := &prefetcher{
		rdb:         rdb,
		nodes:       redisconn.NewNodes(rdb),
		cfg:         cfg,
		worker:      wire.WorkerID(cfg.Server),
		interceptor: l,
		quit:        make(chan struct{}),
		changed:     notifier.New(),
		brought:     notifier.New(),
		queues:      make(map[string]*queueState, len(cfg.Queues)),
	}
	for _, q := range cfg.Queues {
		s := &queueState{Queue: q}
		p.queues[q.Name] = s
		p.order = append(p.order, s)
	}
	return p
}

// wake says that a queue has something to do; "" that any may have.
func (p *prefetcher) wake(queue string) {
	p.mu.Lock()
	for _, s := range p.order {
		if queue == "" || queue == s.Name {
			s.empty, s.paused = false, false
			s.wakes++
		}
	}
	p.mu.Unlock()
	p.changed.Notify()
}

// next returns a task of the queue, or nil if the queue has none or another queue should be asked. If no queue has any, it
// waits first.
func (p *prefetcher) next(ctx context.Context, queue string) *Attempt {
	if a := p.take(queue); a != nil {
		p.fetchAhead(ctx, queue)
		return a
	}
	if p.stopping() {
		return nil
	}
	p.poll(ctx)
	switch f := p.fetchFor(ctx, queue); {
	case f != nil:
		p.await(f)
	case !p.anyReady():
		p.wait()
	}
	return p.take(queue) // also if a fetch has just ended
}

func (p *prefetcher) stopping() bool { return isClosed(p.quit) }

// take returns the oldest task held of the queue, or nil. A task of which this worker still runs an older attempt, because
// others took it for dead, is put aside: asynq knows tasks by their ids alone and would confuse the attempts.
func (p *prefetcher) take(queue string) *Attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.queues[queue]
	for len(s.held) > 0 {
		a := s.held[0]
		s.held = s.held[1:]
		p.total--
		if !p.interceptor.runs(wire.Ref{Queue: queue, ID: a.ID}) {
			return a
		}
		p.duplicates = append(p.duplicates, a)
	}
	return nil
}

// anyReady reports whether tasks are held, or a queue may have some.
func (p *prefetcher) anyReady() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total > 0 {
		return true
	}
	for _, s := range p.order {
		if s.ready() {
			return true
		}
	}
	return false
}

// wait waits for a wake, the end of a call, or the time of the next poll.
func (p *prefetcher) wait() {
	p.mu.Lock()
	d := time.Until(p.pollAt)
	p.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.quit:
	case <-p.changed:
	case <-timer.C:
	}
}

// keepFresh requeues tasks that wait too long for their start, until ctx ends.
func (p *prefetcher) keepFresh(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.brought:
		}
		for p.holdsAny() && pause.For(ctx, freshFor) {
			p.requeueStale()
		}
	}
}

func (p *prefetcher) holdsAny() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total > 0 || len(p.duplicates) > 0
}

// giveBackStale requeues what has waited too long for its start.
func (p *prefetcher) requeueStale() {
	p.mu.Lock()
	var stale []*Attempt
	stale, p.duplicates = cutStale(p.duplicates, duplicateFor)
	for _, s := range p.order {
		var old []*Attempt
		old, s.held = cutStale(s.held, freshFor)
		p.total -= len(old)
		stale = append(stale, old...)
	}
	p.mu.Unlock()
	p.requeue(stale)
}

// cutStale splits attempts, the oldest of which come first, into those that have waited too long and the rest.
func cutStale(held []*Attempt, limit time.Duration) (stale, fresh []*Attempt) {
	n := 0
	for n < len(held) && time.Since(held[n].fetchedAt) > limit {
		n++
	}
	return held[:n:n], held[n:]
}

// close requeues what has not been started. asynq's processor must have ended. It waits for fetches in flight, unless the
// acker is stopped.
func (p *prefetcher) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		p.calls.Wait() // each call is bounded by the time-outs of the Redis client
		close(ended)
	}()
	select {
	case <-ended:
	case <-p.interceptor.acks.quit:
	}
	p.mu.Lock()
	held := p.duplicates
	for _, s := range p.order {
		held = append(held, s.held...)
		s.held = nil
	}
	p.duplicates, p.total = nil, 0
	p.mu.Unlock()
	p.requeue(held)
}

// giveBack puts tasks that were never started back at the head of their queue, in the order in which they stood
// there.
func (p *prefetcher) requeue(held []*Attempt) {
	for i := len(held) - 1; i >= 0; i-- {
		held[i].requeue(script.Unstarted)
		if err := p.interceptor.acks.write(held[i]); err != nil {
			p.cfg.Logger.Warn("task not handed back; it is recovered when its lease ends", "task", held[i].ID, "error", err)
		}
	}
}

// park puts a task aside whose type this worker does not know, as in the middle of a deployment: others may.
func (p *prefetcher) park(a *Attempt) {
	p.cfg.Logger.Debug("task waits for a worker that knows its type", "task", a.ID, "type", a.Message.Type, "queue", a.Queue)
	a.park(time.Now())
	p.interceptor.acks.submit(a) // nobody waits for it
}

// known returns those of the types, for which tasks wait, that this worker runs.
func (p *prefetcher) known(waiting []string) []string {
	var known []string
	for _, name := range waiting {
		if p.cfg.Knows(name) {
			known = append(known, name)
		}
	}
	return known
}

// discard ends a task whose message nobody can read as failed. asynq would leave it active, and trip over it
// whenever it looks for expired leases.
func (p *prefetcher) discard(a *Attempt, err error) {
	p.cfg.Logger.Error("task cannot be read and has failed", "task", a.ID, "queue", a.Queue, "error", err)
	a.Message = &wire.Message{}
	a.ended, a.outcome = true, task.Failed
	a.failure = task.Failure{Message: err.Error(), Kind: task.KindPermanent}
	if err := p.interceptor.acks.write(a); err != nil && !errors.Is(err, errQuit) {
		p.cfg.Logger.Error("unreadable task not ended", "task", a.ID, "error", err)
	}
}
