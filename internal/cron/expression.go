package cron

import (
	"errors"
	"fmt"
	"strings"
)

// MaxLength is the length of the longest expression that Parse reads, in bytes.
const MaxLength = 1024

// DayMatch says how day-of-month and day-of-week are combined if both are restricted.
type DayMatch string

// The values of DayMatch.
const (
	EitherDay DayMatch = "or"  // a day that one of the two matches
	BothDays  DayMatch = "and" // a day that both match
)

// Expression is a parsed cron expression. It is immutable and safe for concurrent use.
type Expression struct {
	seconds, minutes, hours set
	months                  set
	monthDays               monthDays
	weekDays                weekDays

	// A field that is * or ? does not restrict the day; only the other field does.
	anyMonthDay, anyWeekDay bool
	match                   DayMatch
	// everyHour is true of an hour field with a *: such an expression means a rhythm in real time and
	// not times of day.
	everyHour bool
}

// Parse reads an expression of five fields, of six with the seconds first, or a macro such as @daily. An
// empty match is EitherDay. The error names the field at fault, what stands there, and what may stand
// there. That an expression can be read does not mean that there is such a day: see Next.
func Parse(expr string, match DayMatch) (*Expression, error) {
	if match == "" {
		match = EitherDay
	}
	if match != EitherDay && match != BothDays {
		return nil, fmt.Errorf("day match %q is not known: it is %q or %q", match, EitherDay, BothDays)
	}
	if len(expr) > MaxLength {
		return nil, fmt.Errorf("the expression is longer than %d bytes", MaxLength)
	}
	if err := foreign(expr); err != nil {
		return nil, err
	}
	fields, err := split(strings.ToLower(expr))
	if err != nil {
		return nil, err
	}
	parsed, err := parseFields([6]string(fields), match)
	if err != nil && len(strings.Fields(expr)) == 6 {
		return nil, meant(fields, err)
	}
	return parsed, err
}

// split returns the six fields of an expression or a macro.
func split(expr string) ([]string, error) {
	fields := strings.Fields(expr)
	if len(fields) == 1 && strings.HasPrefix(fields[0], "@") {
		meaning, err := macro(fields[0])
		if err != nil {
			return nil, err
		}
		fields = strings.Fields(meaning)
	}
	switch len(fields) {
	case 5:
		return append([]string{"0"}, fields...), nil
	case 6:
		return fields, nil
	case 7:
		return withoutYear(fields)
	default:
		if len(fields) > 7 && isCrontab(fields) {
			return nil, crontabLine(fields)
		}
		return nil, fmt.Errorf("there are %d fields: cron takes 5 (minute, hour, day of month, month, day of week), "+
			"6 (second first), or a macro such as @daily", len(fields))
	}
}

func macro(name string) (string, error) {
	switch name {
	case "@hourly":
		return "0 * * * *", nil
	case "@daily", "@midnight":
		return "0 0 * * *", nil
	case "@weekly":
		return "0 0 * * 0", nil
	case "@monthly":
		return "0 0 1 * *", nil
	case "@yearly", "@annually":
		return "0 0 1 1 *", nil
	default:
		return "", fmt.Errorf("%q is not known: the macros are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually", name)
	}
}

func parseFields(text [6]string, match DayMatch) (*Expression, error) {
	e := &Expression{
		anyMonthDay: unrestricted(text[3]),
		anyWeekDay:  unrestricted(text[5]),
		match:       match,
		everyHour:   strings.Contains(text[2], "*"),
	}
	var errs fieldErrors
	e.seconds, errs[0] = secondField().list(text[0], nil)
	e.minutes, errs[1] = minuteField().list(text[1], nil)
	e.hours, errs[2] = hourField().list(text[2], nil)
	e.monthDays, errs[3] = parseMonthDays(text[3])
	e.months, errs[4] = monthField().list(text[4], nil)
	e.weekDays, errs[5] = parseWeekDays(text[5])
	if err := errs.join(); err != nil {
		return nil, err
	}
	return e, nil
}

// fieldErrors holds the errors of the six fields.
type fieldErrors [6]error

// join returns all errors in one line.
func (errs fieldErrors) join() error {
	var messages []string
	for _, err := range errs {
		if err != nil {
			messages = append(messages, err.Error())
		}
	}
	if messages == nil {
		return nil
	}
	return errors.New(strings.Join(messages, "; "))
}

func unrestricted(field string) bool { return field == "*" || field == "?" }
