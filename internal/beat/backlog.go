package beat

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/schedule"
)

const (
	// retryInterval is how often a queue is tried that could not be reached.
	retryInterval = time.Second
	// queueTimeout bounds how long one queue may keep the others waiting.
	queueTimeout = 5 * time.Second
)

// backlog holds the batches of queues that cannot be reached, in their order. Schedules of such a queue are not moved
// on, so that what waits here stays as much as it was when the queue failed.
type backlog struct {
	mu      sync.Mutex
	batches map[string][]*schedule.Batch
}

// blocks reports whether batches of the queue wait.
func (b *backlog) blocks(queue string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.batches[queue]) > 0
}

// add appends a batch. It reports whether it is the first of its queue.
func (b *backlog) add(queue string, batch *schedule.Batch) (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batches[queue] = append(b.batches[queue], batch)
	return len(b.batches[queue]) == 1
}

// next drops the oldest batch of a queue and returns the next, nil if there is none: then the queue counts as reachable.
func (b *backlog) next(queue string) *schedule.Batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.batches[queue] = b.batches[queue][1:]; len(b.batches[queue]) == 0 {
		delete(b.batches, queue)
		return nil
	}
	return b.batches[queue][0]
}

// empty reports whether no queue has batches that wait.
func (b *backlog) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.batches) == 0
}

// enqueue enqueues committed batches. A queue that fails delays only its own batches.
func (l *leader) enqueue(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-l.retryFailed:
			return err
		case batch := <-l.committed:
			if err := l.enqueueBatch(ctx, batch); err != nil {
				return err
			}
		}
	}
}

// enqueueBatch makes tasks of a batch, or leaves that to retryQueue.
func (l *leader) enqueueBatch(ctx context.Context, batch *schedule.Batch) error {
	queue := batch.Entries[0].Queue
	if l.backlog.blocks(queue) {
		l.putOff(ctx, queue, batch)
		return nil
	}
	err := l.makeTasks(ctx, batch)
	switch {
	case err == nil:
		l.handOn(ctx, batch)
		return nil
	case ctx.Err() != nil || errors.Is(err, schedule.ErrDeposed):
		return fmt.Errorf("enqueue %d ticks: %w", len(batch.Entries), err)
	}
	l.Logger.Warn("ticks cannot be enqueued: they wait for their queue, and so do the schedules that use it",
		"queue", queue, "ticks", len(batch.Entries), "error", err)
	l.putOff(ctx, queue, batch)
	return nil
}

// putOff leaves a batch to retryQueue. What waits there takes no room from the batches of other queues.
func (l *leader) putOff(ctx context.Context, queue string, batch *schedule.Batch) {
	l.outbox.remove(batch.Size())
	if l.backlog.add(queue, batch) {
		l.running.Go(func() { l.retryQueue(ctx, queue, batch) })
	}
}

// handOn passes an enqueued batch to ack.
func (l *leader) handOn(ctx context.Context, batch *schedule.Batch) {
	select {
	case l.enqueued <- batch:
	case <-ctx.Done():
	}
}

// retryQueue tries the batches of a queue, of which one is the first, until none waits any more.
func (l *leader) retryQueue(ctx context.Context, queue string, batch *schedule.Batch) {
	for batch != nil {
		if !pause.For(ctx, retryInterval) {
			return
		}
		for batch != nil {
			err := l.makeTasks(ctx, batch)
			if errors.Is(err, schedule.ErrDeposed) {
				select {
				case l.retryFailed <- err:
				default: // another queue has reported it
				}
				return
			}
			if err != nil {
				break
			}
			l.outbox.add(batch.Size())
			l.handOn(ctx, batch)
			batch = l.backlog.next(queue)
		}
	}
	l.Logger.Info("queue takes ticks again", "queue", queue)
}

// makeTasks enqueues a batch, and reports its lateness to the meter.
func (l *leader) makeTasks(ctx context.Context, batch *schedule.Batch) error {
	if !l.valid() {
		return schedule.ErrDeposed
	}
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	if err := l.Queues.EnqueueTicks(ctx, l.term, batch); err != nil {
		return err
	}
	now := l.Journal.Now()
	for _, e := range batch.Entries {
		due := e.Run.FiredAt.Add(-e.Run.Lateness)
		l.Meter.Late(now.Sub(due))
	}
	return nil
}
