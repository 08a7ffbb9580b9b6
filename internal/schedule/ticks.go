package schedule

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/backbeat-go/backbeat/internal/cron"
)

// ticks are the instants that a trigger names. Each is at a whole millisecond.
type ticks struct {
	next       func(after time.Time) (time.Time, bool)
	start, end time.Time
}

// after returns the first tick strictly after an instant, and zero if there is none.
func (t ticks) after(instant time.Time) time.Time {
	if !t.start.IsZero() && instant.Before(t.start) {
		instant = t.start.Add(-time.Millisecond)
	}
	tick, ok := t.next(instant)
	if !ok || !t.end.IsZero() && tick.After(t.end) {
		return time.Time{}
	}
	return tick
}

// has reports whether an instant is a tick.
func (t ticks) has(instant time.Time) bool {
	return t.after(instant.Add(-time.Millisecond)).Equal(instant)
}

// ticks returns the ticks of the trigger; anchor is tick 0 of Every. Errors are those of a bad Cron or Timezone.
func (s *Spec) ticks(anchor time.Time) (ticks, error) {
	t := ticks{start: s.StartAt, end: s.EndAt}
	switch {
	case s.Cron != "":
		loc, err := cron.Zone(s.Timezone)
		if err != nil {
			return ticks{}, err
		}
		expr, err := parsedExpressions.parse(s.Cron, s.dayMatch())
		if err != nil {
			return ticks{}, err
		}
		t.next = func(after time.Time) (time.Time, bool) { return expr.Next(after, loc) }
	case s.Every != 0:
		t.next = every(anchor, time.Duration(s.Every))
	case !s.At.IsZero():
		t.next = func(after time.Time) (time.Time, bool) { return s.At, s.At.After(after) }
	default:
		return ticks{}, fmt.Errorf("there is no trigger")
	}
	return t, nil
}

func (s *Spec) dayMatch() cron.DayMatch {
	if s.DayMatch == "" {
		return cron.EitherDay
	}
	return s.DayMatch
}

// every counts from the anchor, so that nothing ever drifts.
func every(anchor time.Time, interval time.Duration) func(time.Time) (time.Time, bool) {
	return func(after time.Time) (time.Time, bool) {
		if after.Before(anchor) {
			return anchor, true
		}
		// Not by time.Duration, which ends after 292 years.
		k := (after.UnixMilli()-anchor.UnixMilli())/interval.Milliseconds() + 1
		return time.UnixMilli(anchor.UnixMilli() + k*interval.Milliseconds()).In(anchor.Location()), true
	}
}

// anchor is tick 0 of Every for a schedule that is made now.
func (s *Spec) anchor(now time.Time) time.Time {
	switch {
	case s.Every == 0:
		return time.Time{}
	case !s.StartAt.IsZero():
		return s.StartAt
	default:
		return now.Add(time.Duration(s.Every)).Truncate(time.Millisecond)
	}
}

// due is when a tick runs: jitter puts it off by a time that depends on nothing but the schedule and the tick, so that
// all who compute it agree.
func (s *Schedule) due(tick time.Time) time.Time {
	if s.Jitter == 0 || tick.IsZero() {
		return tick
	}
	h := fnv.New64a()
	h.Write([]byte(s.ID))
	h.Write(strconv.AppendInt(nil, tick.UnixMilli(), 10))
	// FNV spreads short inputs badly in its high bits; a multiplication (of the splitmix64 finalizer) mixes them.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x ^= x >> 27
	millis := uint64(time.Duration(s.Jitter).Milliseconds()) + 1
	return tick.Add(time.Duration(x%millis) * time.Millisecond)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Preview returns the first ticks of the trigger strictly after an instant, count of them or as many as there are, in
// the schedule's zone. Every counts from StartAt, or else from the instant.
func Preview(spec Spec, after time.Time, count int) ([]time.Time, error) {
	if faults := spec.checkTrigger(); len(faults) > 0 {
		return nil, invalid(faults)
	}
	t, err := spec.ticks(spec.anchor(after))
	if err != nil {
		return nil, err
	}
	loc, err := cron.Zone(spec.Timezone)
	if err != nil {
		return nil, err
	}
	runs := make([]time.Time, 0, count)
	for tick := t.after(after); len(runs) < count && !tick.IsZero(); tick = t.after(tick) {
		runs = append(runs, tick.In(loc))
	}
	return runs, nil
}
