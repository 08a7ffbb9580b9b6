package cron

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// lastDay is the L of day-of-month.
const lastDay = "l"

// month has the properties of a month that the day rules need.
type month struct {
	length int
	first  int // weekday of the 1st
}

func monthOf(year int, m time.Month) month {
	return month{
		length: time.Date(year, m+1, 0, 0, 0, 0, 0, time.UTC).Day(),
		first:  int(time.Date(year, m, 1, 0, 0, 0, 0, time.UTC).Weekday()),
	}
}

// days is the set of all days of the month.
func (m month) days() set { return upTo(m.length) }

// weekday returns the days of the month that fall on one of the weekdays.
func (m month) weekday(weekdays set) set {
	week := (weekdays>>m.first | weekdays<<(7-m.first)) & 0x7f // bit 0 is the weekday of the 1st
	return (week | week<<7 | week<<14 | week<<21 | week<<28) << 1 & m.days()
}

// nearest returns the day from Monday to Friday of the same month that is nearest to day.
func (m month) nearest(day int) int {
	switch time.Weekday((m.first + day - 1) % 7) {
	case time.Saturday:
		if day == 1 {
			return 3
		}
		return day - 1
	case time.Sunday:
		if day == m.length {
			return day - 2
		}
		return day + 1
	default:
		return day
	}
}

// monthDays is the day-of-month field.
type monthDays struct {
	days        set  // 15
	beforeLast  set  // L is 0, L-3 is 3
	nearest     set  // 15W
	lastWeekday bool // LW
}

func parseMonthDays(text string) (monthDays, error) {
	var d monthDays
	days, err := dayField().list(text, d.special)
	d.days |= days // special has added the ranges to L
	return d, err
}

// special parses the items that only this field has.
func (d *monthDays) special(item string) (bool, error) {
	switch {
	case item == lastDay:
		d.beforeLast.add(0)
	case item == "lw":
		d.lastWeekday = true
	case strings.HasPrefix(item, "l-"):
		return true, d.addBeforeLast(item)
	case strings.HasSuffix(item, "w"):
		day, err := dayField().value(strings.TrimSuffix(item, "w"))
		if err != nil {
			return true, fmt.Errorf("before W: %w", err)
		}
		d.nearest.add(day)
	case strings.Contains(item, "-"+lastDay):
		return true, d.addToLast(item)
	case strings.Contains(item, lastDay):
		return true, fmt.Errorf("%q: the last day is L, L-3 (three days before it), LW (last weekday) or the end of a range such as 25-L", item)
	default:
		return false, nil
	}
	return true, nil
}

func (d *monthDays) addBeforeLast(item string) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(item, "l-"), 10, 8)
	if err != nil || n > 30 {
		return fmt.Errorf("%q: L- takes a number of days 0-30", item)
	}
	d.beforeLast.add(int(n))
	return nil
}

// addToLast parses a range to the last day. It is the same as a range to the 31st.
func (d *monthDays) addToLast(item string) error {
	values, err := dayField().item(strings.Replace(item, "-"+lastDay, "-31", 1))
	if err != nil {
		return err
	}
	d.days |= values
	return nil
}

// in returns the days of the month that the field matches.
func (d *monthDays) in(m month) set {
	days := d.days
	for rest := d.beforeLast; rest != 0; rest &= rest - 1 {
		if n := bits.TrailingZeros64(uint64(rest)); n < m.length {
			days.add(m.length - n)
		}
	}
	for rest := d.nearest & m.days(); rest != 0; rest &= rest - 1 {
		days.add(m.nearest(bits.TrailingZeros64(uint64(rest))))
	}
	if d.lastWeekday {
		days.add(m.nearest(m.length))
	}
	return days & m.days()
}

// weekDays is the day-of-week field. Sunday is 0.
type weekDays struct {
	days set    // fri
	nth  [5]set // fri#1 is in nth[0]
	last set    // friL
}

func parseWeekDays(text string) (weekDays, error) {
	var d weekDays
	var err error
	d.days, err = weekdayField().list(text, d.special)
	return d, err
}

// special parses the items that only this field has.
func (d *weekDays) special(item string) (bool, error) {
	if weekday, nth, ok := strings.Cut(item, "#"); ok {
		return true, d.addNth(weekday, nth)
	}
	weekday, ok := strings.CutSuffix(item, lastDay)
	if !ok {
		return false, nil
	}
	if weekday == "" {
		return true, errors.New("an L needs a weekday before it, such as 5L or friL for the last Friday of the month")
	}
	day, err := weekdayField().value(weekday)
	if err != nil {
		return true, fmt.Errorf("before L: %w", err)
	}
	d.last.add(day % 7)
	return true, nil
}

func (d *weekDays) addNth(weekday, nth string) error {
	days, err := weekdayField().valueOrRange(weekday)
	if err != nil {
		return fmt.Errorf("before #: %w", err)
	}
	if nth == lastDay {
		d.last |= days
		return nil
	}
	n, err := strconv.ParseUint(nth, 10, 8)
	if err != nil || n < 1 || int(n) > len(d.nth) {
		return fmt.Errorf("%q: # takes which one of the month, 1-%d or L, such as 5#3 for the third Friday", weekday+"#"+nth, len(d.nth))
	}
	d.nth[n-1] |= days
	return nil
}

// in returns the days of the month that the field matches.
func (d *weekDays) in(m month) set {
	days := m.weekday(d.days)
	for i, weekdays := range d.nth {
		if weekdays != 0 {
			days |= m.weekday(weekdays) & (0x7f << (7*i + 1))
		}
	}
	if d.last != 0 {
		days |= m.weekday(d.last) &^ upTo(m.length-7)
	}
	return days
}
