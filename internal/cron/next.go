package cron

import (
	"math"
	"time"
)

// horizonYears is how far Next looks. All that the calendar can do it does within 40 years: 29 February
// on a Monday comes every 28, but a century without a leap day may put 40 between two of them.
const horizonYears = 40

// The years that RFC 3339 can write, in Unix seconds.
const (
	year1     = -62_135_596_800
	year10000 = 253_402_300_800
)

// Next returns the first instant strictly after `after` at which the expression matches wall time in loc,
// in loc; false if none within 40 years. It is a whole second. The years are 1 to 9999; an earlier after
// counts as the beginning of year 1.
func (e *Expression) Next(after time.Time, loc *time.Location) (next time.Time, ok bool) {
	if after.Unix() >= year10000 {
		return time.Time{}, false
	}
	from := max(after.Unix()+1, year1)
	until := horizon(stretchAt(from, loc).wall(from))
	for {
		s := stretchAt(from, loc)
		low := s.wall(from)
		if !e.everyHour {
			low = unshown(from, loc)
		}
		if w, ok := e.firstMatch(low, until); ok {
			// A reading before that of from was skipped by the clock, and is due at once.
			if t := max(s.instant(w), from); t < s.end {
				return time.Unix(t, 0).In(loc), true
			}
		}
		// What is shown from now on is later than this, however the clocks change: most of the
		// stretches on the way to a rare day need no look.
		w, ok := e.firstMatch(wall(s.end-widest), until)
		if !ok {
			return time.Time{}, false
		}
		from = max(s.end, int64(w)-widest)
	}
}

// horizon is the last reading that Next considers when the clock shows w.
func horizon(w wall) wall {
	return min(wall(w.time().AddDate(horizonYears, 0, 0).Unix()), wall(year10000-1))
}

// widest is more than any clock is apart from UTC, and more than any clock was ever put back or forward: the
// date line moved by a day at most. Two changes of one clock are further apart than this, too.
const widest = 26 * 60 * 60

// stretch is a time from start to before end, in Unix seconds, when the clocks of a zone are not changed.
type stretch struct {
	start, end int64
	offset     int64
}

// wall is what the clock shows at the instant t.
func (s stretch) wall(t int64) wall { return wall(t + s.offset) }

// instant is when the clock shows w.
func (s stretch) instant(w wall) int64 { return int64(w) - s.offset }

// stretchAt returns a stretch that t is in. It may be cut short at either end, as time.Time.ZoneBounds does at
// the ends of years.
func stretchAt(t int64, loc *time.Location) stretch {
	at := time.Unix(t, 0).In(loc)
	_, offset := at.Zone()
	start, end := at.ZoneBounds()
	s := stretch{math.MinInt64, math.MaxInt64, int64(offset)}
	if !start.IsZero() {
		s.start = start.Unix()
	}
	if !end.IsZero() {
		s.end = end.Unix()
	}
	// The year of ZoneBounds has 365 days: on the last day of a leap year its end has passed.
	if s.end <= t {
		s.end = t + secondsPerDay - (t%secondsPerDay+secondsPerDay)%secondsPerDay
	}
	return s
}

// unshown returns the first reading that the clock has not come to before the instant t, shown or skipped. It
// is what the clock shows at t, unless it was changed a short time ago: less if it was put forward at t,
// more if it was put back and has not made up for it yet.
func unshown(t int64, loc *time.Location) wall {
	first := wall(math.MinInt64)
	for end := t; end > t-widest; {
		s := stretchAt(end-1, loc)
		first = max(first, s.wall(end))
		end = s.start
	}
	return first
}
