package schedule

import (
	"time"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// maxCatchUp is how many ticks of one schedule run at a time.
	maxCatchUp = 1000
	// maxCounted bounds how many ticks are looked at one by one before the grace time, so that a schedule of every
	// second that was forgotten for a year costs no minute of computing.
	maxCounted = 100_000
)

// Plan decides what becomes of the ticks that are due at now. It changes the schedule's state accordingly and
// returns the runs, oldest first, of missed ones the newest RunsKept: those whose Outcome is Fired are to become tasks.
//
// Each run that may fire is offered to fits, nil for no limit. The first that does not fit, and all ticks after it, stay
// undecided, and the schedule is due at once for them. The first run of a plan should always fit.
//
// Plan is as pure as fits: the same schedule and now give the same plan. An error is one of fits, or means that the
// schedule cannot be understood any more; its state is of no use then.
func Plan(s *Schedule, now time.Time, fits func(Run) (bool, error)) ([]Run, error) {
	t, err := s.ticks(s.Anchor)
	if err != nil {
		return nil, err
	}
	p := plan{s: s, now: now, fits: fits}
	graceful := now.Add(-time.Duration(s.MisfireGraceTime) - time.Duration(s.Jitter))
	tick, due := s.Next, s.Due
	for n := 1; !tick.IsZero() && !due.After(now); n++ {
		p.add(tick, due)
		tick = t.after(tick)
		if n >= maxCounted && tick.Before(graceful) {
			tick = t.after(graceful.Add(-time.Millisecond)) // what lies between is missed, and not counted
		}
		// Jitter longer than the interval would let a tick overtake the one before it. It waits for that one instead,
		// and has not become late by it.
		due = later(due, s.due(tick))
	}
	runs, rest, err := p.run()
	if err != nil {
		return nil, err
	}
	s.setNext(tick)
	if rest != nil {
		s.Next, s.Due = rest.Tick, now.Add(-rest.Lateness)
	}
	return runs, nil
}

// plan is the work of one Plan.
type plan struct {
	s      *Schedule
	now    time.Time
	fits   func(Run) (bool, error)
	missed []Run // the newest of them
	timely []Run // of ticks within the grace time, the newest of them
}

func (p *plan) add(tick, due time.Time) {
	run := Run{Tick: tick, Lateness: p.now.Sub(due)}
	if run.Lateness > time.Duration(p.s.MisfireGraceTime) {
		p.miss(run, ReasonGrace)
		return
	}
	if most, reason := p.maxTimely(); len(p.timely) == most {
		p.miss(p.timely[0], reason)
		p.timely = p.timely[1:]
	}
	p.timely = append(p.timely, run)
}

// maxTimely is how many ticks may run, and why an older one does not.
func (p *plan) maxTimely() (int, Reason) {
	if p.s.Coalesce {
		return 1, ReasonCoalesced
	}
	return maxCatchUp, ReasonCatchUp
}

func (p *plan) miss(run Run, reason Reason) {
	p.s.Missed++
	if len(p.missed) == RunsKept {
		p.missed = p.missed[1:]
	}
	run.Outcome, run.Reason = Missed, reason
	p.missed = append(p.missed, run)
}

// run decides the timely ticks, as far as MaxInstances, MaxRuns and fits allow. The first that does not fit is the rest.
func (p *plan) run() (runs []Run, rest *Run, err error) {
	runs = p.missed
	for _, run := range p.timely {
		if p.s.complete() {
			break
		}
		if p.s.Full() {
			run.Outcome, run.Reason = Skipped, ReasonMaxInstances
			p.s.Skipped++
			runs = append(runs, run)
			continue
		}
		fired := run
		fired.Outcome, fired.FiredAt, fired.TaskID = Fired, p.now, TickID(p.s.ID, run.Tick)
		if p.fits != nil {
			if ok, err := p.fits(fired); err != nil || !ok {
				return runs, &run, err
			}
		}
		p.s.started(fired.TaskID, p.now)
		p.s.Runs++
		runs = append(runs, fired)
	}
	return runs, nil, nil
}

// complete reports whether the schedule has had its MaxRuns.
func (s *Schedule) complete() bool { return s.MaxRuns > 0 && s.Runs >= s.MaxRuns }

// Full reports whether another task is one too many.
func (s *Schedule) Full() bool { return s.MaxInstances > 0 && len(s.Unfinished) >= s.MaxInstances }

// started notes a task that has been made.
func (s *State) started(taskID string, now time.Time) {
	s.LastRunAt, s.LastTaskID, s.LastState = now, taskID, ""
	// A copy: the slice may be another state's too.
	s.Unfinished = append(s.Unfinished[:len(s.Unfinished):len(s.Unfinished)], taskID)
	if n := len(s.Unfinished) - MaxInstancesLimit; n > 0 {
		s.Unfinished = s.Unfinished[n:]
	}
}

// JustMade reports whether a task was made so short a time ago that it may not be in its queue yet.
func (s *State) JustMade(taskID string, now time.Time) bool {
	return taskID == s.LastTaskID && now.Sub(s.LastRunAt) < 10*time.Second
}

// setNext sets the next tick. A schedule that is complete has none.
func (s *Schedule) setNext(tick time.Time) {
	if s.complete() {
		tick = time.Time{}
	}
	s.Next, s.Due = tick, s.due(tick)
}

// Task returns the task of a run, completed with the defaults that its type has now. Its result is kept at least as
// long as the tick might be asked for again. It fails with CodeConflict if there is no such type or queue any more.
func (s *Schedule) Task(types *catalog.Catalog, run Run, now time.Time) (*task.Task, error) {
	made, ok := types.Complete(s.Spec.Task.request(run.TaskID, &task.Tick{ScheduleID: s.ID, At: run.Tick}), now)
	if !ok {
		return nil, task.Conflict("schedule %s cannot run: its task type %q is not known any more; put it anew or delete it",
			s.ID, s.Spec.Task.Type)
	}
	if !types.HasQueue(made.Queue) {
		return nil, task.Conflict("schedule %s cannot run: its queue %q is not in the configuration any more; put it anew or delete it",
			s.ID, made.Queue)
	}
	made.Retention = max(made.Retention, time.Duration(s.MisfireGraceTime))
	return made, nil
}
