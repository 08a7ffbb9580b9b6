package beat

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

// sent is steps that are being committed, with the batch of their ticks.
type sent struct {
	steps []*schedule.Step
	batch *schedule.Batch
	done  chan commitAnswer
}

// commitAnswer is the answer of the store.
type commitAnswer struct {
	written []bool
	err     error
}

// send sends steps to the store. Call receive for each result, in the order of the sends, unless the term has ended.
func (l *leader) send(ctx context.Context, steps []*schedule.Step) *sent {
	f := &sent{steps: steps, batch: &schedule.Batch{ID: l.nextBatch()}, done: make(chan commitAnswer, 1)}
	for _, step := range steps {
		f.batch.Entries = append(f.batch.Entries, step.Entries...)
	}
	l.addTasks(f.batch.Entries)
	l.outbox.add(f.batch.Size())
	l.running.Go(func() {
		if !l.valid() {
			f.done <- commitAnswer{err: schedule.ErrDeposed}
			return
		}
		written, err := l.Journal.Commit(ctx, l.term, f.batch.ID, steps)
		f.done <- commitAnswer{written, err}
	})
	return f
}

// nextBatch returns an id that no batch has had.
func (l *leader) nextBatch() string {
	l.batches++
	return l.batchPrefix + strconv.Itoa(l.batches)
}

// receive waits for the store, passes the batch to enqueue, and holds the schedules in their new state. A step whose
// schedule was changed meanwhile was not written: the schedule is read again, and fires as it is now.
func (l *leader) receive(ctx context.Context, f *sent) error {
	answer := <-f.done
	if answer.err != nil {
		l.doubt(f.steps, answer.err)
		return fmt.Errorf("commit %d schedules: %w", len(f.steps), answer.err)
	}
	var stale []string
	size := f.batch.Size()
	taken, refused := f.batch.Entries[:0], []*schedule.OutboxEntry(nil)
	for i, step := range f.steps {
		if !answer.written[i] {
			stale = append(stale, step.ID)
			refused = append(refused, step.Entries...)
			continue
		}
		taken = append(taken, step.Entries...)
		delete(l.doubts, step.ID)
		l.log.note(step)
		l.count(step)
		l.keep(step.Loaded)
	}
	l.removeTasks(refused)
	f.batch.Entries = taken
	l.outbox.remove(size - f.batch.Size())
	if len(taken) > 0 {
		select {
		case l.committed <- f.batch:
		case <-ctx.Done():
		}
	}
	if len(stale) > 0 {
		return l.reload(ctx, stale)
	}
	return nil
}

// doubt notes that the store has refused steps. The next leader of this process writes each of them alone, so that only
// the invalid schedule is paused, and the others go on.
func (l *leader) doubt(steps []*schedule.Step, err error) {
	if !errors.Is(err, schedule.ErrRefused) {
		return
	}
	for _, step := range steps {
		l.doubts[step.ID]++
	}
}
