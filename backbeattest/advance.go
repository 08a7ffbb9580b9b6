package backbeattest

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// handlerWait bounds the wait of Advance for the handlers at each due time. A longer handler, such as one that waits for the
// test, keeps running while the time moves.
const handlerWait = 2 * time.Second

// Advance moves the clock of the Deployment ahead by d, without waiting that long: schedules fire, delayed tasks and retries
// become due, tasks expire, and retention ends. It goes from one due time to the next, and lets the tasks that are due at each
// finish before it goes on. So a task that fails is retried in time, and a schedule that is due several times fires each time.
// A due time takes some milliseconds.
//
// A handler that takes longer than two seconds is left running, and keeps its task. Handlers have the clock of the machine, and
// their time-outs go by it. When Advance returns, what is due at the new time is in its queue, or dropped; WaitIdle waits for
// the rest.
//
// Advance fails the test if what is due is not done within 30 seconds. Concurrent calls move the clock one after the other.
func (d *Deployment) Advance(by time.Duration) {
	d.t.Helper()
	if by < 0 {
		d.t.Fatalf("Advance(%s): the time of a deployment does not go back", by)
	}
	d.advance.Lock()
	defer d.advance.Unlock()
	ctx := context.WithoutCancel(d.t.Context())
	if err := d.advanceBy(ctx, by.Truncate(time.Millisecond)); err != nil {
		d.t.Fatalf("Advance(%s): %v", by, err)
	}
}

func (d *Deployment) advanceBy(ctx context.Context, by time.Duration) error {
	for {
		w, err := d.finishDue(ctx)
		if err != nil {
			return err
		}
		step := by
		if !w.next.IsZero() {
			step = min(by, w.next.Sub(w.now))
		}
		if err := d.clock.Move(ctx, d.plain, step); err != nil {
			return fmt.Errorf("move the time of the deployment: %w", err)
		}
		if by -= step; by == 0 {
			_, err := d.await(ctx, func(w work, _ time.Duration) []workItem {
				return w.without(kindRunning, kindPending, kindPaused, kindParked)
			})
			return err
		}
	}
}

// finishDue waits until all that is due is done, and for handlers a while.
func (d *Deployment) finishDue(ctx context.Context) (work, error) {
	crowded := false // by handlers that are left running
	return d.await(ctx, func(w work, waited time.Duration) []workItem {
		running := w.running()
		for id := range d.left {
			if !slices.Contains(running, id) {
				delete(d.left, id)
			}
		}
		if waited >= handlerWait {
			crowded = true
			for _, id := range running {
				d.left[id] = true
			}
		}
		items := w.without(kindPaused, kindParked, kindRunning)
		if crowded {
			items = w.without(kindPaused, kindParked, kindRunning, kindPending)
		}
		for _, item := range w.items {
			if item.kind == kindRunning && slices.ContainsFunc(item.ids, func(id string) bool { return !d.left[id] }) {
				items = append(items, item)
			}
		}
		return items
	})
}
