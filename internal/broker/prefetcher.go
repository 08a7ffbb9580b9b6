package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/task"
)

const (
	// leaseDuration is asynq's. Its heartbeat extends the leases of started tasks to that every 5 s.
	leaseDuration = 30 * time.Second
	// freshFor is how long a fetched task may wait for its start. One that waited longer goes back: other workers may be
	// free, and its lease is not extended while it waits.
	freshFor = 2 * time.Second
	// quick is how fast a batch must have been started for the next one to be fetched ahead, while no slot is free yet:
	// slots will be, by the time it is here. With slower tasks that would keep work from other workers.
	quick = 20 * time.Millisecond
	// emptyFor is how long a queue that was empty is taken to be so, unless somebody says otherwise: stock clients do
	// not.
	emptyFor = 250 * time.Millisecond
	// fetchBytes bounds the messages of one fetch from one queue, so that many large tasks cannot swell a worker.
	fetchBytes = 4 << 20
	// fetchBatch bounds the tasks of one fetch from one queue, so that Redis is not held up for long.
	fetchBatch = 256
)

// prefetcher hands tasks to asynq's processor, which asks queue by queue, in an order that follows the weights or the
// priorities. It takes as many tasks from Redis at once as there are free slots, from several queues in shares by
// weight, and remembers which queues are empty: for those, and for what it holds, asking costs nothing. When there
// is nothing at all it waits until it is woken.
type prefetcher struct {
	rdb    redis.UniversalClient
	cfg    ServerConfig
	worker string
	lane   *lane
	quit   chan struct{} // closed when no more tasks are to be taken

	ahead sync.WaitGroup // the fetch under way ahead of need, if there is one
	woken chan struct{}  // holds one after a word from wake

	mu    sync.Mutex
	held  map[string][]*attempt
	twins []*attempt // of attempts that this worker is still at; they go back
	total int
	batch int                  // how many tasks the newest fetch brought
	began time.Time            // when it brought them
	empty map[string]time.Time // until when a queue is taken to be empty
	busy  bool                 // a fetch ahead is under way
}

func newPrefetcher(rdb redis.UniversalClient, cfg ServerConfig, worker string, l *lane) *prefetcher {
	return &prefetcher{
		rdb:    rdb,
		cfg:    cfg,
		worker: worker,
		lane:   l,
		quit:   make(chan struct{}),
		held:   make(map[string][]*attempt),
		empty:  make(map[string]time.Time),
		woken:  make(chan struct{}, 1),
	}
}

// wake says that a queue has something to do; "" that any may have.
func (p *prefetcher) wake(queue string) {
	p.mu.Lock()
	if queue == "" {
		clear(p.empty)
	} else {
		delete(p.empty, queue)
	}
	p.mu.Unlock()
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// next returns a task of the queue, or nil if the queue has none or another one's turn has come. If no queue has any,
// it waits first.
func (p *prefetcher) next(ctx context.Context, queue string) (*attempt, error) {
	if a := p.take(queue); a != nil {
		p.fetchAhead(ctx, queue)
		return a, nil
	}
	p.ahead.Wait()
	if a := p.take(queue); a != nil {
		return a, nil
	}
	if p.isEmpty(queue) {
		if p.holdsAny() || !p.allEmpty() {
			return nil, nil // asynq asks the others next
		}
		if !p.wait() {
			return nil, nil
		}
	}
	if p.stopping() {
		return nil, nil
	}
	if err := p.refill(ctx, p.wanted(queue)); err != nil {
		p.cfg.Logger.Warn("no tasks fetched: redis does not answer", "error", err)
		sleep(p.quit, 500*time.Millisecond) // asynq would ask again at once, and again
		return nil, err
	}
	return p.take(queue), nil
}

func (p *prefetcher) stopping() bool {
	select {
	case <-p.quit:
		return true
	default:
		return false
	}
}

// take returns the oldest task held of the queue, or nil. One that this worker still runs, because it was given up as
// dead, is put aside: asynq knows tasks by their ids alone, and would take one attempt for the other.
func (p *prefetcher) take(queue string) *attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.held[queue]) > 0 {
		a := p.held[queue][0]
		p.held[queue] = p.held[queue][1:]
		p.total--
		if !p.lane.runs(ref{queue, a.id}) {
			return a
		}
		p.twins = append(p.twins, a)
	}
	return nil
}

func (p *prefetcher) holdsAny() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total > 0
}

// fetchAhead fetches the next batch while the newest is being started, if that goes quickly and half of it is gone.
func (p *prefetcher) fetchAhead(ctx context.Context, queue string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy || p.batch < 8 || p.total > p.batch/2 || time.Since(p.began) > quick || p.stopping() {
		return
	}
	p.busy = true
	n := max(1, p.cfg.Concurrency-p.total)
	p.ahead.Go(func() {
		err := p.refill(ctx, p.shares(queue, n))
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy = false
		if err != nil {
			p.batch = 0 // the next call sees for itself
		}
	})
}

// giveBackStale gives back what has waited too long for its start.
func (p *prefetcher) giveBackStale() {
	p.mu.Lock()
	n := countStale(p.twins)
	stale := p.twins[:n:n]
	p.twins = p.twins[n:]
	for queue, held := range p.held {
		n := countStale(held)
		stale = append(stale, held[:n]...)
		p.held[queue] = held[n:]
		p.total -= n
	}
	p.mu.Unlock()
	p.giveBack(stale)
}

// countStale returns how many attempts, the oldest of which come first, have waited too long.
func countStale(held []*attempt) int {
	n := 0
	for n < len(held) && time.Since(held[n].fetchedAt) > freshFor {
		n++
	}
	return n
}

func (p *prefetcher) isEmpty(queue string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.empty[queue])
}

func (p *prefetcher) allEmpty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for _, q := range p.cfg.Queues {
		if !now.Before(p.empty[q.Name]) {
			return false
		}
	}
	return true
}

// wait waits for a word, or until what was empty should be looked at again. It reports false if the worker stops.
func (p *prefetcher) wait() bool {
	timer := time.NewTimer(emptyFor)
	defer timer.Stop()
	select {
	case <-p.quit:
		return false
	case <-p.woken:
	case <-timer.C:
	}
	return true
}

// wanted is what to fetch for the free slots. While tasks of other queues are held, it is only what the queue that is
// asked for has: its turn is now.
func (p *prefetcher) wanted(asked string) []share {
	started, _ := p.lane.count()
	free := max(1, p.cfg.Concurrency-started)
	if p.holdsAny() {
		return []share{{asked, min(free, fetchBatch)}}
	}
	return p.shares(asked, free)
}

// share is how many tasks to ask a queue for.
type share struct {
	queue string
	n     int
}

// shares divides the free slots among the queues that may have tasks. The queue that is asked for gets one at least:
// asynq's order, over many calls, is that of the weights. With strict priority it gets all.
func (p *prefetcher) shares(asked string, free int) []share {
	sum, weights := 0, make([]share, 0, len(p.cfg.Queues))
	for _, q := range p.cfg.Queues {
		if q.Name == asked || !p.isEmpty(q.Name) {
			weights = append(weights, share{q.Name, q.Weight})
			sum += q.Weight
		}
	}
	list := make([]share, 0, len(weights))
	for _, w := range weights {
		n := free * w.n / sum
		if w.queue == asked {
			n = max(n, 1)
		}
		if p.cfg.StrictPriority {
			n = 0
			if w.queue == asked {
				n = free
			}
		}
		if n > 0 {
			list = append(list, share{w.queue, min(n, fetchBatch)})
		}
	}
	return list
}

// refill takes tasks from Redis, in one round trip.
func (p *prefetcher) refill(ctx context.Context, shares []share) error {
	_, apart := p.lane.count()
	now := time.Now()
	cmds, err := p.call(ctx, shares, apart)
	if err != nil {
		return err
	}
	brought := 0
	for i, s := range shares {
		reply, err := cmds[i].Slice()
		if err != nil {
			return err
		}
		brought += p.keep(s.queue, reply, now)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batch, p.began = brought, time.Now()
	return nil
}

func (p *prefetcher) call(ctx context.Context, shares []share, apart bool) ([]*redis.Cmd, error) {
	suspect := "0"
	if apart {
		suspect = "1"
	}
	args := func(s share) []any {
		return []any{p.worker, s.n, fetchBytes, suspect}
	}
	keys := func(queue string) []string {
		return []string{pendingKey(queue), pausedKey(queue), activeKey(queue), leaseKey(queue)}
	}
	if len(shares) == 1 {
		s := shares[0]
		cmd := fetchScript.run(ctx, p.rdb, s.queue, keys(s.queue), args(s)...)
		return []*redis.Cmd{cmd}, cmd.Err()
	}
	cmds := make([]*redis.Cmd, len(shares))
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, s := range shares {
			cmds[i] = fetchScript.queue(ctx, pipe, s.queue, keys(s.queue), args(s)...)
		}
		return nil
	})
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		for i, s := range shares { // once after a start of Redis
			cmds[i] = fetchScript.run(ctx, p.rdb, s.queue, keys(s.queue), args(s)...)
			if err = cmds[i].Err(); err != nil {
				return nil, err
			}
		}
	}
	return cmds, err
}

// keep holds what a fetch brought, and returns how many tasks that are.
func (p *prefetcher) keep(queue string, reply []any, now time.Time) int {
	var brought []*attempt
	last := len(reply) - 1
	for i := 0; i < last-2; i += 4 {
		id, _ := reply[i].(string)
		raw, _ := reply[i+1].(string)
		number, _ := reply[i+2].(int64)
		crashes, _ := reply[i+3].(int64)
		a := &attempt{queue: queue, id: id, raw: raw, number: int(number), crashes: int(crashes), fetchedAt: now}
		var err error
		if a.message, err = decodeMessage([]byte(raw)); err != nil {
			p.discard(a, err)
			continue
		}
		brought = append(brought, a)
	}
	p.count(queue, task.Canceled, reply[last-2])
	p.count(queue, task.Expired, reply[last-1])
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[queue] = append(p.held[queue], brought...)
	p.total += len(brought)
	if more, _ := reply[last].(int64); more == 0 {
		p.empty[queue] = now.Add(emptyFor)
	}
	return len(brought)
}

// count tells the meter of tasks that a fetch has ended instead of bringing them, by the heads of their messages.
func (p *prefetcher) count(queue string, as task.State, heads any) {
	for _, taskType := range typesOf(heads) {
		p.cfg.Meter.Ended(taskType, queue, as)
	}
}

// discard ends a task whose message nobody can read as failed. asynq would leave it active, and trip over it
// whenever it looks for expired leases.
func (p *prefetcher) discard(a *attempt, err error) {
	p.cfg.Logger.Error("task cannot be read and has failed", "task", a.id, "queue", a.queue, "error", err)
	a.message = &message{}
	a.ended, a.outcome = true, task.Failed
	a.failure = task.Failure{Message: err.Error(), Kind: task.KindPermanent}
	if err := p.lane.acks.write(a); err != nil && !errors.Is(err, errQuit) {
		p.cfg.Logger.Error("unreadable task not ended", "task", a.id, "error", err)
	}
}

// close hands back what has not been started. asynq's processor must have ended.
func (p *prefetcher) close() {
	p.ahead.Wait()
	for _, held := range p.held {
		p.giveBack(held)
	}
	p.giveBack(p.twins)
	p.held, p.twins, p.total = make(map[string][]*attempt), nil, 0
}

// giveBack puts tasks that were never started back at the head of their queue, in the order in which they stood
// there.
func (p *prefetcher) giveBack(held []*attempt) {
	for i := len(held) - 1; i >= 0; i-- {
		held[i].handBack(unstarted)
		if err := p.lane.acks.write(held[i]); err != nil {
			p.cfg.Logger.Warn("task not handed back; it is recovered when its lease ends", "task", held[i].id, "error", err)
		}
	}
}
