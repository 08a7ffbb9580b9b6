package beat

import (
	"context"
	"fmt"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

// flight is a batch of steps on its way to the store.
type flight struct {
	steps []*schedule.Step
	owed  []*schedule.Owed
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
	f := &flight{steps: steps, done: make(chan landing, 1)}
	for _, step := range steps {
		f.owed = append(f.owed, step.Owed...)
	}
	l.nowOwing(f.owed)
	l.flying.Go(func() {
		if !l.valid() {
			f.done <- landing{err: schedule.ErrDeposed}
			return
		}
		written, err := l.Journal.Commit(ctx, l.term, steps)
		f.done <- landing{written, err}
	})
	return f
}

// land waits for the store, hands on what the steps owe, and holds the schedules as they are now. A step whose schedule
// was changed meanwhile was not taken: the schedule is read anew, and fires as it is now.
func (l *leader) land(ctx context.Context, f *flight) error {
	answer := <-f.done
	if answer.err != nil {
		return fmt.Errorf("commit %d schedules: %w", len(f.steps), answer.err)
	}
	var stale []string
	taken, refused := f.owed[:0], []*schedule.Owed(nil)
	for i, step := range f.steps {
		if !answer.written[i] {
			stale = append(stale, step.ID)
			refused = append(refused, step.Owed...)
			continue
		}
		taken = append(taken, step.Owed...)
		l.log.note(step)
		l.count(step)
		l.keep(step.Loaded)
	}
	l.noLongerOwing(refused)
	if len(taken) > 0 {
		select {
		case l.committed <- taken:
		case <-ctx.Done():
		}
	}
	if len(stale) > 0 {
		return l.reload(ctx, stale)
	}
	return nil
}
