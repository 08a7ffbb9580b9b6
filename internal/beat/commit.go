package beat

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

// flight is steps on their way to the store, and the batch of what they owe.
type flight struct {
	steps []*schedule.Step
	batch *schedule.Batch
	done  chan landing
}

// landing is what the store answered.
type landing struct {
	written []bool
	err     error
}

// launch sends steps to the store. land is to be called for what it returns, in the order of the launches, unless the
// term has ended.
func (l *leader) launch(ctx context.Context, steps []*schedule.Step) *flight {
	f := &flight{steps: steps, batch: &schedule.Batch{ID: l.nextBatch()}, done: make(chan landing, 1)}
	for _, step := range steps {
		f.batch.Owed = append(f.batch.Owed, step.Owed...)
	}
	l.nowOwing(f.batch.Owed)
	l.outbox.add(f.batch.Size())
	l.flying.Go(func() {
		if !l.valid() {
			f.done <- landing{err: schedule.ErrDeposed}
			return
		}
		written, err := l.Journal.Commit(ctx, l.term, f.batch.ID, steps)
		f.done <- landing{written, err}
	})
	return f
}

// nextBatch returns an id that no batch has had.
func (l *leader) nextBatch() string {
	l.batches++
	return l.batchPrefix + strconv.Itoa(l.batches)
}

// land waits for the store, hands on what the steps owe, and holds the schedules as they are now. A step whose schedule
// was changed meanwhile was not taken: the schedule is read anew, and fires as it is now.
func (l *leader) land(ctx context.Context, f *flight) error {
	answer := <-f.done
	if answer.err != nil {
		l.doubt(f.steps, answer.err)
		return fmt.Errorf("commit %d schedules: %w", len(f.steps), answer.err)
	}
	var stale []string
	size := f.batch.Size()
	taken, refused := f.batch.Owed[:0], []*schedule.Owed(nil)
	for i, step := range f.steps {
		if !answer.written[i] {
			stale = append(stale, step.ID)
			refused = append(refused, step.Owed...)
			continue
		}
		taken = append(taken, step.Owed...)
		delete(l.doubts, step.ID)
		l.log.note(step)
		l.count(step)
		l.keep(step.Loaded)
	}
	l.noLongerOwing(refused)
	f.batch.Owed = taken
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
// the schedule at fault is paused, and the others go on.
func (l *leader) doubt(steps []*schedule.Step, err error) {
	if !errors.Is(err, schedule.ErrRefused) {
		return
	}
	for _, step := range steps {
		l.doubts[step.ID]++
	}
}
