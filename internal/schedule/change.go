package schedule

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// Put returns the schedule that a caller asks for under the id: a new one if old is nil, else the old one with its
// counters and a new spec. A trigger that stays as it was keeps its ticks, even one that is due now. The spec must have
// been checked.
func Put(old *Schedule, id string, spec Spec, paused bool, origin Origin, now time.Time) (*Schedule, error) {
	if old == nil {
		old = &Schedule{ID: id}
	}
	s := *old
	s.Spec, s.Origin, s.UpdatedAt = spec, origin, now
	if s.CreatedAt.IsZero() {
		s.CreatedAt = now // also of one that could not be read any more
	}
	s.Revision++
	if !old.sameRhythm(&spec) {
		s.Anchor = spec.anchor(now)
	}
	t, err := s.ticks(s.Anchor)
	if err != nil {
		return nil, err
	}
	if paused {
		s.pause(PausedByUser)
		return &s, nil
	}
	if old.Paused {
		s.FailureStreak = 0
	}
	s.Paused, s.PausedReason = false, ""
	s.setNext(s.goOn(t, old, now))
	if !s.Next.IsZero() && s.Next.Equal(old.Next) {
		s.Due = later(s.Due, earlier(old.Due, now)) // a shorter jitter makes no tick late that was not
	}
	return &s, nil
}

// sameRhythm reports whether the ticks of Every stay where they are.
func (s *Spec) sameRhythm(other *Spec) bool {
	return s.Every == other.Every && s.StartAt.Equal(other.StartAt)
}

func (s *Spec) sameTrigger(other *Spec) bool {
	return s.sameRhythm(other) && s.Cron == other.Cron && s.At.Equal(other.At) && s.Timezone == other.Timezone &&
		s.dayMatch() == other.dayMatch() && s.EndAt.Equal(other.EndAt)
}

// goOn returns the tick with which a schedule begins, or goes on after a change.
func (s *Schedule) goOn(t ticks, old *Schedule, now time.Time) time.Time {
	same := old.sameTrigger(&s.Spec)
	if same && !old.Next.IsZero() {
		return old.Next
	}
	// An At that has come to pass runs within the grace time, and else is missed. It has had its task if one was made
	// since then.
	if !same && s.At.After(s.LastRunAt) {
		return t.after(s.At.Add(-time.Millisecond))
	}
	// A tick that is due in this very moment is not lost by an edit if the new trigger has it too.
	if tick := old.Next; !tick.IsZero() && !tick.After(now) && t.has(tick) {
		return tick
	}
	return t.after(now)
}

func (s *Schedule) pause(reason PausedReason) {
	s.Paused, s.PausedReason = true, reason
	s.setNext(time.Time{})
}

// Pause returns the paused schedule, which has no next tick until it is resumed.
func Pause(old *Schedule, reason PausedReason, now time.Time) *Schedule {
	s := *old
	s.UpdatedAt = now
	s.Revision++
	s.pause(reason)
	return &s
}

// Resume returns the schedule with its first tick after now: what it missed while it was paused does not run. It fails
// with CodeConflict if the schedule cannot be understood any more.
func Resume(old *Schedule, now time.Time) (*Schedule, error) {
	if !old.Paused {
		return old, nil
	}
	s := *old
	t, err := s.ticks(s.Anchor)
	if err != nil {
		return nil, task.Conflict("schedule %s cannot be resumed, put it anew or delete it: %v", s.ID, err)
	}
	s.UpdatedAt = now
	s.Revision++
	s.Paused, s.PausedReason, s.FailureStreak = false, "", 0
	s.setNext(t.after(now))
	return &s, nil
}

const (
	// setBack is by how much a clock may have been set back for what was decided before that to count still.
	setBack = 24 * time.Hour
	// inaccuracy is more than the clocks of two leaders differ by.
	inaccuracy = 2 * time.Second
)

// Replan returns the schedule with its next tick as the trigger names it now. That is another than was planned where the
// rules of the time zone have changed since, or the clock was set back by days. A tick that is due stays, and so does the
// schedule if nothing has changed.
func Replan(old *Schedule, now time.Time) (*Schedule, error) {
	if !old.Next.After(now) {
		return old, nil
	}
	t, err := old.ticks(old.Anchor)
	if err != nil {
		return nil, err
	}
	from := now
	if old.LastRunAt.Sub(now) < setBack {
		from = later(now, old.LastRunAt)
	}
	next := t.after(from)
	if t.has(old.Next) {
		// Ticks up to then may have been decided just now.
		if next = t.after(from.Add(inaccuracy)); next.IsZero() || next.After(old.Next) {
			return old, nil
		}
	}
	if next.Equal(old.Next) {
		return old, nil
	}
	s := *old
	s.setNext(next)
	return &s, nil
}

// passedKept is the most ticks of a pause that PassedOver returns.
const passedKept = 20

// PassedOver returns runs for the newest ticks since the last change that did not run because the schedule was paused, oldest
// first. They do not change any counter.
func PassedOver(s *Schedule, now time.Time) (runs []Run) {
	t, err := s.ticks(s.Anchor)
	if err != nil || !s.Paused {
		return nil
	}
	tick := t.after(s.UpdatedAt)
	for n := 0; !tick.IsZero() && !tick.After(now); n++ {
		if n == maxCounted {
			tick = later(tick, t.after(now.Add(-time.Hour)))
		}
		runs = append(runs, Run{Tick: tick, Lateness: now.Sub(tick), Outcome: Skipped, Reason: ReasonPaused})
		runs = runs[max(0, len(runs)-passedKept):]
		tick = t.after(tick)
	}
	return runs
}

// Trigger returns the schedule with an additional run without a tick, and the run. The caller must enqueue its task, which
// Schedule.Task returns.
func Trigger(old *Schedule, taskID string, now time.Time) (*Schedule, Run) {
	s := *old
	s.started(taskID, now)
	return &s, Run{Tick: now, FiredAt: now, TaskID: taskID, Outcome: Triggered}
}

// Ended records the end of a task of the schedule, and pauses the schedule after too many failures. A repeated call for the
// same task has no effect. It reports whether it changed anything.
func (s *Schedule) Ended(taskID string, state task.State, now time.Time) bool {
	i := slices.Index(s.Unfinished, taskID)
	if i < 0 {
		return false
	}
	s.Unfinished = slices.Concat(s.Unfinished[:i], s.Unfinished[i+1:])
	if taskID == s.LastTaskID {
		s.LastState = state
	}
	switch state {
	case task.Succeeded:
		s.FailureStreak = 0
	case task.Failed:
		s.FailureStreak++
		if s.PauseAfterFailures > 0 && s.FailureStreak >= s.PauseAfterFailures && !s.Paused {
			*s = *Pause(s, PausedByFailures, now)
		}
	}
	return true
}

// Reread removes from spec, an edited copy of the schedule as the API shows it, the defaults that the API has filled in: where
// a field has the effective value that it already had, Reread restores the stored value.
func (s *Schedule) Reread(spec Spec, types *catalog.Catalog) Spec {
	if spec.dayMatch() == s.dayMatch() {
		spec.DayMatch = s.DayMatch
	}
	shown, err := s.Task(types, Run{}, time.Time{})
	have, want := &s.Spec.Task, &spec.Task
	if err != nil || have.Type != want.Type {
		return spec
	}
	if want.Queue == shown.Queue {
		want.Queue = have.Queue
	}
	if want.MaxRetries != nil && *want.MaxRetries == shown.MaxRetries {
		want.MaxRetries = have.MaxRetries
	}
	if want.Timeout != nil && time.Duration(*want.Timeout) == shown.Timeout {
		want.Timeout = have.Timeout
	}
	if want.Retention != nil && time.Duration(*want.Retention) == shown.Retention {
		want.Retention = have.Retention
	}
	if reflect.DeepEqual(want.Callback, shown.Callback) {
		want.Callback = have.Callback
	}
	if reflect.DeepEqual(decodeExactly(want.Payload), decodeExactly(have.Payload)) {
		want.Payload = have.Payload
	}
	return spec
}

// SameSpec reports whether the schedule is what the spec asks for already. It compares what is stored of them, which
// does not tell an empty map from none, or one spelling of a payload from another.
func (s *Schedule) SameSpec(spec Spec) bool {
	have, err := json.Marshal(s.Spec)
	if err != nil {
		return false
	}
	want, err := json.Marshal(spec)
	return err == nil && bytes.Equal(have, want)
}
