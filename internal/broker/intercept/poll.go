package intercept

import (
	"context"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

const (
	// idleFor is how long an idle queue is not looked at unless it is woken. Stock clients wake nobody.
	idleFor = 250 * time.Millisecond
	// In a cluster each queue takes a command of its own, so that many queues are polled at longer intervals.
	clusterIdlePer = 15 * time.Millisecond // a queue
	clusterIdleMax = 4 * time.Second
)

// poll asks, when it is time, whether idle queues have become busy, paused ones have been resumed, and those that failed
// answer. It does not wait for the replies.
func (p *prefetcher) poll(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Before(p.pollAt) || p.closed {
		return
	}
	type group struct {
		node   string
		paused bool
	}
	groups := make(map[group][]*queueState, 1)
	for _, s := range p.pollable(now) {
		s.polling = true
		g := group{p.nodes.Of(ctx, wire.PendingKey(s.Name)), s.paused && s.failures == 0}
		groups[g] = append(groups[g], s)
	}
	for g, queues := range groups {
		keyOf := wire.PendingKey
		if g.paused {
			keyOf = wire.PausedKey
		}
		p.calls.Go(func() { p.pollNode(ctx, queues, keyOf) })
	}
}

// pollable returns the queues that it is time to poll, and sets the time of the next poll. The lock is held.
func (p *prefetcher) pollable(now time.Time) []*queueState {
	idle := !now.Before(p.idleAt)
	if idle {
		p.idleAt = now.Add(p.idleInterval())
	}
	p.pollAt = p.idleAt
	var list []*queueState
	for _, s := range p.order {
		switch {
		case s.polling || s.fetch != nil || s.answered:
		case s.failures > 0 && now.Before(s.retryAt):
			if s.retryAt.Before(p.pollAt) {
				p.pollAt = s.retryAt
			}
		case s.failures > 0, idle && (s.empty || s.paused):
			list = append(list, s)
		}
	}
	return list
}

func (p *prefetcher) idleInterval() time.Duration {
	if !p.nodes.Several() {
		return idleFor
	}
	return min(max(idleFor, time.Duration(len(p.order))*clusterIdlePer), clusterIdleMax)
}

// pollNode looks for keys of queues of one node.
func (p *prefetcher) pollNode(ctx context.Context, queues []*queueState, keyOf func(string) string) {
	keys, wakes := make([]string, len(queues)), make([]int, len(queues))
	p.mu.Lock()
	for i, s := range queues {
		keys[i], wakes[i] = keyOf(s.Name), s.wakes
	}
	p.mu.Unlock()
	var failed []*queueState
	var failure error
	replies := p.nodes.Exist(ctx, keys)
	p.mu.Lock()
	for i, s := range queues {
		s.polling = false
		switch {
		case replies[i].Err != nil:
			failed, failure = append(failed, s), replies[i].Err
		case s.wakes == wakes[i]:
			s.polled(replies[i].Exists)
		case s.failures > 0:
			s.answered = true
		}
	}
	names := p.fail(failed)
	p.mu.Unlock()
	p.warn(names, failure)
	p.changed.Notify()
}
