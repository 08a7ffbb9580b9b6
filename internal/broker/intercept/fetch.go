package intercept

import (
	"context"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// fetchBytes bounds the messages of one fetch from one queue, so that many large tasks cannot swell a worker.
	fetchBytes = 4 << 20
	// fetchBatch bounds the tasks of one fetch from one queue, so that Redis is not held up for long.
	fetchBatch = 256
	// aheadBatch is the smallest batch that is worth a fetch ahead of need.
	aheadBatch = 8
	// lateAfter is how long a queue's turn waits for its fetch in a cluster, where a node that hangs must not stop the tasks of
	// others.
	lateAfter = 250 * time.Millisecond
)

// fetch is a call in flight that takes tasks from queues of one node.
type fetch struct {
	shares []share
	n      int           // how many tasks it asks for
	done   chan struct{} // closed at its end
	late   bool          // nobody waits for it; the prefetcher's lock guards it
}

// share is how many tasks to ask a queue for.
type share struct {
	queue  *queueState
	n      int
	wakes  int      // of the queue, at the start of the fetch
	parked []string // likewise
}

// fetchFor returns the fetch that is to bring tasks of the queue, and starts it if need be. It returns nil if there is none to
// wait for.
func (p *prefetcher) fetchFor(ctx context.Context, queue string) *fetch {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.queues[queue]
	if s.fetch == nil && s.ready() {
		p.startWanted(ctx, s)
	}
	if s.fetch == nil || s.fetch.late {
		return nil
	}
	return s.fetch
}

// startWanted fetches for the free slots. While tasks of other queues are held, it fetches only from the queue that is asked
// for: its turn is now. The lock is held.
func (p *prefetcher) startWanted(ctx context.Context, s *queueState) {
	started, apart := p.interceptor.count()
	n := max(1, p.room(started))
	if p.total > 0 {
		p.start(ctx, []share{{queue: s, n: min(n, fetchBatch)}}, apart)
		return
	}
	p.start(ctx, p.shares(s, n), apart)
}

// fetchAhead fetches the next batch while the newest is being started, if half of it is gone and attempts end quickly. The
// slots will be free by the time the batch is here.
func (p *prefetcher) fetchAhead(ctx context.Context, queue string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked > 0 || p.batch < aheadBatch || p.total > p.batch/2 || p.stopping() {
		return
	}
	if p.pace.recent(time.Now()) < aheadBatch {
		return
	}
	started, apart := p.interceptor.count()
	if n := p.room(started); n >= aheadBatch {
		p.start(ctx, p.shares(p.queues[queue], n), apart)
	}
}

// room is how many more tasks to fetch: for each free slot one, and for as many further slots as have become free of late.
// The lock is held.
func (p *prefetcher) room(started int) int {
	slots := min(p.cfg.Concurrency-started+p.pace.recent(time.Now()), p.cfg.Concurrency)
	return slots - p.total - p.asked
}

// shares divides the free slots among the queues that may have tasks. The queue that is asked for then gets one at least:
// asynq's order, over many calls, is that of the weights. With strict priority it gets all. The lock is held.
func (p *prefetcher) shares(asked *queueState, free int) []share {
	sum, able := 0, make([]*queueState, 0, len(p.order))
	for _, s := range p.order {
		if s.fetch == nil && s.ready() {
			able = append(able, s)
			sum += s.Weight
		}
	}
	list := make([]share, 0, len(able))
	for _, s := range able {
		n := free * s.Weight / sum
		if s == asked {
			n = max(n, 1)
		}
		if p.cfg.StrictPriority {
			n = 0
			if s == asked {
				n = free
			}
		}
		if n > 0 {
			list = append(list, share{queue: s, n: min(n, fetchBatch)})
		}
	}
	return list
}

// start sends a fetch to each node that has queues among the shares. Queues that failed are asked apart from the others.
// The lock is held.
func (p *prefetcher) start(ctx context.Context, shares []share, apart bool) {
	if p.closed {
		return
	}
	type place struct {
		node    string
		failing bool
	}
	fetches := make(map[place]*fetch, 1)
	for _, sh := range shares {
		at := place{p.nodes.Of(ctx, wire.PendingKey(sh.queue.Name)), sh.queue.failures > 0}
		f := fetches[at]
		if f == nil {
			f = &fetch{done: make(chan struct{}), late: at.failing}
			fetches[at] = f
		}
		sh.wakes, sh.parked = sh.queue.wakes, sh.queue.parked
		sh.queue.fetch = f
		f.shares = append(f.shares, sh)
		f.n += sh.n
	}
	for _, f := range fetches {
		if !f.late {
			p.asked += f.n
			p.batch = 0
		}
		p.calls.Go(func() { p.run(ctx, f, apart) })
	}
}

// await waits for a fetch; in a cluster not for long.
func (p *prefetcher) await(f *fetch) {
	var late <-chan time.Time
	if p.nodes.Several() {
		timer := time.NewTimer(lateAfter)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-f.done:
	case <-p.quit:
	case <-late:
		p.mu.Lock()
		p.stopWaiting(f)
		p.mu.Unlock()
	}
}

// forgo ends all waiting for a fetch. The lock is held.
func (p *prefetcher) stopWaiting(f *fetch) {
	if !f.late {
		f.late = true
		p.asked -= f.n
	}
}

// run takes tasks from a node, in one round trip, and keeps what arrives.
func (p *prefetcher) run(ctx context.Context, f *fetch, apart bool) {
	now := time.Now()
	var failed []*queueState
	var failure error
	for i, reply := range p.send(ctx, f.shares, apart) {
		if reply.Err != nil {
			failed, failure = append(failed, f.shares[i].queue), reply.Err
			continue
		}
		p.keep(f.shares[i], reply, now)
	}
	p.mu.Lock()
	for _, sh := range f.shares {
		sh.queue.fetch = nil
	}
	p.stopWaiting(f)
	names := p.fail(failed)
	p.mu.Unlock()
	p.warn(names, failure)
	close(f.done)
	p.changed.Notify()
}

// fail notes that calls to queues failed, and returns the names of those whose last call did not. The lock is held.
func (p *prefetcher) fail(failed []*queueState) (names []string) {
	now := time.Now()
	for _, s := range failed {
		if s.fail(now) {
			names = append(names, s.Name)
		}
		if s.retryAt.Before(p.pollAt) {
			p.pollAt = s.retryAt
		}
	}
	return names
}

// warn logs an outage of queues, once.
func (p *prefetcher) warn(queues []string, err error) {
	if len(queues) > 0 && !p.stopping() {
		p.cfg.Logger.Warn("no tasks fetched; the queues are polled until they answer", "queues", queues, "error", err)
	}
}

// send fetches from queues of one node.
func (p *prefetcher) send(ctx context.Context, shares []share, apart bool) []script.Fetched {
	fetches := make([]script.Fetch, len(shares))
	for i, sh := range shares {
		fetches[i] = script.Fetch{
			Queue: sh.queue.Name, Worker: p.worker, MaxTasks: sh.n, MaxBytes: fetchBytes, Apart: apart, Parked: sh.parked,
		}
	}
	return script.FetchAll(ctx, p.rdb, fetches)
}

// keep holds what a fetch brought from a queue.
func (p *prefetcher) keep(sh share, reply script.Fetched, now time.Time) {
	s := sh.queue
	brought := make([]*Attempt, 0, len(reply.Tasks))
	ahead := p.cfg.Clock.Ahead()
	for _, t := range reply.Tasks {
		a := &Attempt{Queue: s.Name, ID: t.ID, raw: t.Message, Number: t.Attempt, crashes: t.Crashes, fetchedAt: now, ahead: ahead}
		var err error
		if a.Message, err = wire.DecodeMessage([]byte(t.Message)); err != nil {
			p.calls.Go(func() { p.discard(a, err) })
			continue
		}
		if !p.cfg.Knows(a.Message.Type) {
			p.park(a)
			continue
		}
		brought = append(brought, a)
	}
	p.count(s.Name, task.Canceled, reply.Canceled)
	p.count(s.Name, task.Expired, reply.Expired)
	p.report(s, reply.Dropped, reply.Stuck)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.recovered()
	s.held = append(s.held, brought...)
	p.total += len(brought)
	p.batch += len(brought)
	if len(brought) > 0 {
		p.brought.Notify()
	}
	s.parked = p.known(reply.Waiting)
	if sh.wakes == s.wakes { // else the reply may be older than what the wake was about
		s.empty, s.paused = !reply.More && !reply.Paused && len(s.parked) == 0, reply.Paused
	}
}

// report logs the tasks that could not be fetched because of errors of their own.
func (p *prefetcher) report(s *queueState, dropped []string, stuck string) {
	for _, id := range dropped {
		p.cfg.Logger.Error("task dropped from its queue: its key holds no task", "task", id, "queue", s.Name)
	}
	p.mu.Lock()
	again := s.stuck
	s.stuck = stuck != ""
	p.mu.Unlock()
	if stuck != "" && !again {
		p.cfg.Logger.Error("tasks cannot be fetched and stay in their queue", "queue", s.Name, "error", stuck)
	}
}

// count counts tasks that a fetch has ended instead of bringing them.
func (p *prefetcher) count(queue string, as task.State, types []string) {
	for _, taskType := range types {
		p.cfg.Meter.Ended(taskType, queue, as)
	}
}
