package cron

import "time"

const secondsPerDay = 24 * 60 * 60

// wall is what a clock on the wall shows, with its date: the seconds since it would have shown 1970-01-01
// 00:00:00 had it never been changed.
type wall int64

func wallOf(year int, m time.Month, day int) wall {
	return wall(time.Date(year, m, day, 0, 0, 0, 0, time.UTC).Unix())
}

// time gives the reading as a time in UTC, for its calendar.
func (w wall) time() time.Time { return time.Unix(int64(w), 0).UTC() }

// firstMatch returns the first reading between from and until, inclusive, that the expression matches. It ignores time
// zones: each day has 24 hours.
func (e *Expression) firstMatch(from, until wall) (wall, bool) {
	if from > until {
		return 0, false
	}
	t := from.time()
	year, m, day := t.Date()
	days := e.daysOf(year, m)
	if days.has(day) {
		midnight := wallOf(year, m, day)
		if second, ok := e.timeFrom(int(from - midnight)); ok {
			w := midnight + wall(second)
			return w, w <= until
		}
	}
	days &^= upTo(day)
	for limit := until.time().Year(); days == 0; days = e.daysOf(year, m) {
		if year, m = e.monthAfter(year, m); year > limit {
			return 0, false
		}
	}
	day, _ = days.from(1)
	second, _ := e.timeFrom(0)
	w := wallOf(year, m, day) + wall(second)
	return w, w <= until
}

// daysOf returns the days of the month that the expression matches.
func (e *Expression) daysOf(year int, m time.Month) set {
	if !e.months.has(int(m)) {
		return 0
	}
	month := monthOf(year, m)
	switch {
	case e.anyMonthDay && e.anyWeekDay:
		return month.days()
	case e.anyMonthDay:
		return e.weekDays.in(month)
	case e.anyWeekDay:
		return e.monthDays.in(month)
	case e.match == BothDays:
		return e.monthDays.in(month) & e.weekDays.in(month)
	default:
		return e.monthDays.in(month) | e.weekDays.in(month)
	}
}

// monthAfter returns the next month that the expression matches.
func (e *Expression) monthAfter(year int, m time.Month) (int, time.Month) {
	if next, ok := e.months.from(int(m) + 1); ok {
		return year, time.Month(next)
	}
	first, _ := e.months.from(1)
	return year + 1, time.Month(first)
}

// timeFrom returns the first second of the day at or after second that the expression matches.
func (e *Expression) timeFrom(second int) (int, bool) {
	h, m, s := second/3600, second/60%60, second%60
	firstSecond, _ := e.seconds.from(0)
	if e.hours.has(h) {
		if next, ok := e.seconds.from(s); ok && e.minutes.has(m) {
			return h*3600 + m*60 + next, true
		}
		if next, ok := e.minutes.from(m + 1); ok {
			return h*3600 + next*60 + firstSecond, true
		}
	}
	firstMinute, _ := e.minutes.from(0)
	next, ok := e.hours.from(h + 1)
	return next*3600 + firstMinute*60 + firstSecond, ok
}
