package beat

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// fire moves schedules on when they are due, when somebody has changed them, and when their tasks have ended.
func (l *leader) fire(ctx context.Context) error {
	changes := l.Journal.Changes(ctx)
	look := time.NewTicker(loadInterval)
	defer look.Stop()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		if err := l.fireDue(ctx); err != nil {
			return err
		}
		alarm.Reset(l.untilNext())
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-alarm.C:
		case list := <-l.loaded:
			l.hold(list)
		case id := <-changes:
			err = l.changed(ctx, id)
		case <-look.C:
			l.log.flush()
			err = l.overdue(ctx)
			l.holdWaiting()
		case read := <-l.ended:
			err = l.noteEnds(ctx, read)
		}
		if err != nil {
			return err
		}
	}
}

func (l *leader) untilNext() time.Duration {
	next, ok := l.upcoming.next()
	if !ok {
		return time.Hour // a word will come before
	}
	return max(0, next.Sub(l.Journal.Now()))
}

// hold takes schedules over from the loader. What is held already was read or written later, unless word of a change was
// missed. So of two that differ the one counts that is due earlier: should it be the older, its commit is refused.
func (l *leader) hold(list []*schedule.Loaded) {
	for _, loaded := range list {
		if loaded == nil {
			continue
		}
		held := l.upcoming.held(loaded.ID)
		if held == nil || !loaded.Due.IsZero() && loaded.Due.Before(held.Due) {
			l.upcoming.put(loaded)
		}
	}
}

// holdWaiting takes back the schedules whose queue can be reached again.
func (l *leader) holdWaiting() {
	for queue, waiting := range l.waiting {
		if !l.backlog.blocks(queue) {
			l.hold(slices.Collect(maps.Values(waiting)))
			delete(l.waiting, queue)
		}
	}
}

// keep holds a schedule as it is now, or leaves it to the loader if it is due later than held.
func (l *leader) keep(loaded *schedule.Loaded) {
	if loaded.Due.After(l.Journal.Now().Add(held)) {
		l.upcoming.drop(loaded.ID)
	} else {
		l.upcoming.put(loaded)
	}
}

// changed reads what somebody has changed.
func (l *leader) changed(ctx context.Context, id string) error {
	if id != "" {
		return l.reload(ctx, []string{id})
	}
	select {
	case l.missedChange <- struct{}{}:
	default: // the loader knows
	}
	return nil
}

// reload reads schedules anew.
func (l *leader) reload(ctx context.Context, ids []string) error {
	list, err := l.Journal.Load(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		l.upcoming.drop(id) // it may be gone
	}
	for _, loaded := range list {
		if loaded != nil {
			l.keep(loaded)
		}
	}
	return nil
}

// overdue finds schedules that should have been held and are not, because the word of a change was lost. Those that have
// just fired are no such: the index has the time of that until their ticks are acknowledged.
func (l *leader) overdue(ctx context.Context) error {
	ids, err := l.Journal.Due(ctx, time.Time{}, l.Journal.Now().Add(-time.Second), batchSize)
	if err != nil || len(ids) == 0 {
		return err
	}
	return l.reload(ctx, ids)
}

// fireDue moves on what is due now. While the store takes some batches, the next is planned.
func (l *leader) fireDue(ctx context.Context) error {
	defer l.busy.Store(false)
	var inStore []*sent
	receive := func() error {
		first := inStore[0]
		inStore = inStore[1:]
		return l.receive(ctx, first)
	}
	for size := batchSize / 4; ; size = min(2*size, batchSize) { // the store need not wait for the first for long
		due := l.upcoming.takeDue(l.Journal.Now(), size)
		if len(due) == 0 && len(inStore) == 0 {
			return nil
		}
		l.busy.Store(true)
		steps, err := l.planAll(ctx, due)
		if err != nil {
			return err
		}
		for _, part := range l.parts(steps) {
			for l.outbox.full() && len(inStore) > 0 {
				if err := receive(); err != nil {
					return err
				}
			}
			l.outbox.wait(ctx)
			if len(inStore) == maxSent {
				if err := receive(); err != nil {
					return err
				}
			}
			inStore = append(inStore, l.send(ctx, part))
		}
		if len(due) == 0 {
			if err := receive(); err != nil {
				return err
			}
		}
	}
}

// parts divides steps so that each part has one queue, and is no more than one step of the store should write, unless it
// is one schedule alone. What one queue does not take keeps no schedule of another waiting.
func (l *leader) parts(steps []*schedule.Step) (list [][]*schedule.Step) {
	slices.SortStableFunc(steps, func(a, b *schedule.Step) int { return strings.Compare(a.Queue(), b.Queue()) })
	first, ticks, bytes := 0, 0, 0
	for i, step := range steps {
		size := step.Size()
		full := ticks+len(step.Entries) > maxTicks || bytes+size > maxBytes
		if i > first && (full || l.standsAlone(steps[i-1], step)) {
			list = append(list, steps[first:i])
			first, ticks, bytes = i, 0, 0
		}
		ticks, bytes = ticks+len(step.Entries), bytes+size
	}
	if first < len(steps) {
		list = append(list, steps[first:])
	}
	return list
}

// standsAlone reports whether two steps are not to be written together.
func (l *leader) standsAlone(a, b *schedule.Step) bool {
	return a.Queue() != b.Queue() || l.doubts[a.ID]+l.doubts[b.ID] > 0
}

func (l *leader) planAll(ctx context.Context, due []*schedule.Loaded) ([]*schedule.Step, error) {
	full, err := l.verify(ctx, due)
	if err != nil {
		return nil, err
	}
	steps := make([]*schedule.Step, 0, len(due))
	now := l.Journal.Now()
	for _, loaded := range due {
		step := l.plan(loaded, full[loaded.ID], now)
		if queue := step.Queue(); l.backlog.blocks(queue) {
			l.wait(queue, loaded)
		} else if l.doubts[loaded.ID] <= maxDoubts {
			steps = append(steps, step)
		}
	}
	return steps, nil
}

// wait leaves a schedule as it is until its queue can be reached.
func (l *leader) wait(queue string, loaded *schedule.Loaded) {
	if l.waiting[queue] == nil {
		l.waiting[queue] = make(map[string]*schedule.Loaded)
	}
	l.waiting[queue][loaded.ID] = loaded
}

// setAsideAfter is how many steps of a schedule the store may refuse before it is paused. If it refuses even that, up to
// maxDoubts, the schedule is left alone.
const (
	setAsideAfter = 2
	maxDoubts     = 4
)

// verify asks how the tasks of those schedules do that would skip a tick because of them: a stock asynq server, or a
// person with asynq's tools, ends tasks without a word.
func (l *leader) verify(ctx context.Context, due []*schedule.Loaded) (map[string][]schedule.End, error) {
	var ids []string
	var owners []*schedule.Loaded
	for _, s := range due {
		if !s.Full() {
			continue
		}
		for _, id := range s.Unfinished {
			if !l.inOutbox(id) {
				ids, owners = append(ids, id), append(owners, s)
			}
		}
	}
	if len(ids) == 0 || time.Now().Before(l.verifyAfter) {
		return nil, nil
	}
	states, err := l.states(ctx, ids)
	if ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		l.Logger.Warn("whether tasks of schedules still run cannot be asked of all queues; they count as unfinished", "error", err)
		l.verifyAfter = time.Now().Add(verifyRest)
	}
	ends := make(map[string][]schedule.End)
	for i, state := range states {
		s := owners[i]
		gone := state == "" && err == nil && !s.JustMade(ids[i], l.Journal.Now())
		if state.Terminal() || gone {
			ends[s.ID] = append(ends[s.ID], schedule.End{ScheduleID: s.ID, TaskID: ids[i], State: state})
		}
	}
	return ends, nil
}

// verifyTimeout bounds how long a queue that cannot be reached may keep ticks waiting, and verifyRest is how long none is
// asked after that.
const (
	verifyTimeout = time.Second
	verifyRest    = 10 * time.Second
)

func (l *leader) states(ctx context.Context, ids []string) ([]task.State, error) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	return l.Queues.States(ctx, ids)
}

// plan decides what becomes of a schedule's ticks. One that cannot be understood is set aside; the others go on.
func (l *leader) plan(loaded *schedule.Loaded, ends []schedule.End, now time.Time) *schedule.Step {
	step := l.step(loaded)
	for _, end := range ends {
		step.ended(end, now)
	}
	err := loaded.Broken
	if err == nil && l.doubts[loaded.ID] >= setAsideAfter {
		err = schedule.ErrRefused
	}
	if err == nil && !step.Paused {
		err = l.addTicks(step, now)
	}
	if err == nil {
		return &step.Step
	}
	l.Logger.Error("schedule set aside: it is paused as invalid", "schedule", loaded.ID, "error", err)
	aside := l.step(loaded)
	aside.Schedule = schedule.Pause(aside.Schedule, schedule.PausedInvalid, now)
	return &aside.Step
}

// step is a step that is being made. It works on a copy: what is held stays as the store has it.
type step struct{ schedule.Step }

func (l *leader) step(loaded *schedule.Loaded) *step {
	s := *loaded.Schedule
	return &step{schedule.Step{Loaded: &schedule.Loaded{Schedule: &s, Version: loaded.Version}}}
}

func (s *step) ended(end schedule.End, now time.Time) {
	if s.Ended(end.TaskID, end.State, now) && end.State != "" {
		s.Ends = append(s.Ends, end)
	}
}

// addTicks plans the ticks that are due, and makes their tasks: as many as one step of the store should write.
func (l *leader) addTicks(step *step, now time.Time) error {
	missed, bytes := step.Missed, 0
	runs, err := schedule.Plan(step.Schedule, now, func(run schedule.Run) (bool, error) {
		made, err := step.Task(l.Types, run, now)
		if err != nil {
			return false, err
		}
		message := l.Queues.Encode(made)
		if bytes += len(message); bytes > maxBytes && len(step.Entries) > 0 {
			return false, nil
		}
		step.Entries = append(step.Entries, &schedule.OutboxEntry{ScheduleID: step.ID, Run: run, Queue: made.Queue, Message: message})
		return true, nil
	})
	if err != nil {
		return err
	}
	step.NewMissed = step.Missed - missed
	for _, run := range runs {
		if run.Outcome != schedule.Fired {
			step.Runs = append(step.Runs, run)
		}
	}
	return nil
}
