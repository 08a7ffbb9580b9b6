package backbeattest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/redisstore"
)

const (
	// idleWait bounds the waits for the deployment, unless the caller's context has a deadline.
	idleWait = 30 * time.Second
	// shortestPoll and longestPoll bound how long the deployment is left alone between two looks at what it has to do.
	shortestPoll, longestPoll = time.Millisecond, 20 * time.Millisecond
	// wakeInterval is how often at least the programs are notified of what they have to do.
	wakeInterval = 200 * time.Millisecond
)

// WaitIdle waits until the Deployment has nothing to do at its time: no task is pending, running or due, no schedule is due, and
// no callback is to be made. Tasks that are delayed or wait for a retry, and schedules that are due later, do not count. Once it
// is idle it has nothing to do before the time moves or somebody enqueues a task.
//
// It waits until ctx ends, and for 30 seconds if ctx has no deadline. If the Deployment is not idle by then, WaitIdle fails the
// test with a list of what there is to do, such as tasks whose queue is paused or whose type no handler is for.
func (d *Deployment) WaitIdle(ctx context.Context) {
	d.t.Helper()
	_, err := d.await(ctx, func(w work, _ time.Duration) []workItem { return w.items })
	if err != nil {
		d.t.Fatalf("WaitIdle: %v", err)
	}
}

// await waits until open, which gets what there is to do and how long await has waited, returns none of it. The time it has waited
// is that of the pauses alone: a machine that is too busy to look at the deployment has no time for handlers either.
func (d *Deployment) await(ctx context.Context, open func(w work, waited time.Duration) []workItem) (work, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, idleWait)
		defer cancel()
	}
	var waited, wakeAt time.Duration
	var last []workItem
	for poll := shortestPoll; ; poll = min(2*poll, longestPoll) {
		w, err := d.readWork(ctx)
		if err != nil && ctx.Err() == nil {
			return work{}, err
		}
		if err == nil {
			before := len(last)
			if last = open(w, waited); len(last) == 0 {
				return w, nil
			}
			if len(last) != before {
				poll = shortestPoll // something happens
			}
			if waited >= wakeAt {
				d.wake(ctx, last)
				wakeAt = waited + min(waited+5*time.Millisecond, wakeInterval)
			}
		}
		if !pause.For(ctx, poll) {
			return work{}, d.notIdle(ctx, last)
		}
		waited += poll
	}
}

func (d *Deployment) notIdle(ctx context.Context, items []workItem) error {
	why := context.Cause(ctx)
	if errors.Is(why, context.DeadlineExceeded) {
		why = errors.New("the time is up")
	}
	if len(items) == 0 {
		return why
	}
	return fmt.Errorf("%w, and there is still to do:%s", why, d.describe(items))
}

// wake notifies the programs of what they have to do: after a move of the clock their timers are late.
func (d *Deployment) wake(ctx context.Context, items []workItem) {
	for _, item := range items {
		prefix := wire.OwnPrefix(item.queue)
		switch item.kind {
		case kindPending:
			d.plain.Publish(ctx, wire.WakeChannel, prefix)
		case kindEnds:
			d.plain.Publish(ctx, wire.OutboxChannel, prefix+wire.History)
		case kindDue:
			d.plain.Publish(ctx, wire.DueChannel, prefix)
		case kindExpired, kindOver:
			d.plain.Publish(ctx, wire.DueChannel, "")
		case kindSchedule:
			for _, id := range item.ids {
				d.plain.Publish(ctx, redisstore.ChangesChannel, id)
			}
		}
	}
}
