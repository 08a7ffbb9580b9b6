package cron

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// foreign returns an error with advice for the syntax of other programs, or nil.
func foreign(expr string) error {
	fields := strings.Fields(expr)
	if len(fields) == 0 {
		return nil
	}
	first, rest := fields[0], strings.Join(fields[1:], " ")
	switch lower := strings.ToLower(first); {
	case strings.HasPrefix(lower, "cron_tz="), strings.HasPrefix(lower, "tz="):
		_, zone, _ := strings.Cut(first, "=")
		return fmt.Errorf("the time zone has a field of its own: write timezone %q, and cron %q", zone, rest)
	case strings.HasPrefix(lower, "cron("):
		return eventBridge(strings.Fields(strings.ToLower(strings.TrimSuffix(expr[strings.Index(expr, "(")+1:], ")"))))
	case strings.HasPrefix(lower, "rate("):
		return errors.New(`an interval is no cron expression: write every, such as "5m", in place of cron`)
	case lower == "@every":
		return fmt.Errorf("an interval is no cron expression: write every %q in place of cron", rest)
	case lower == "@reboot":
		return errors.New("@reboot is no time: enqueue a task where your program starts")
	case strings.HasPrefix(first, "@") && rest != "":
		return fmt.Errorf("%s stands alone: the time zone is timezone, and what runs is the task", first)
	}
	return nil
}

// eventBridge returns the error for an expression of AWS EventBridge: minute, hour, day of month, month, day of week from 1
// for Sunday, year.
func eventBridge(fields []string) error {
	const is = "this is of AWS EventBridge, which begins with minutes and ends with a year"
	if len(fields) != 6 {
		return errors.New(is + ": write five fields, minute, hour, day of month, month and day of week")
	}
	years := ""
	if fields[5] != "*" {
		years = ", with start_at and end_at for the years"
	}
	return fmt.Errorf("%s: write %q%s", is, strings.Join(append(fields[:4:4], fromSunday1(fields[4])), " "), years)
}

// fromSunday1 writes names for the numbers of weekdays where 1 is Sunday, in a day-of-week field.
func fromSunday1(text string) string {
	var b strings.Builder
	names := weekdayField().names
	for i, c := range text {
		isDay := c >= '1' && c <= '7' && (i == 0 || text[i-1] != '#' && text[i-1] != '/')
		if isDay {
			b.WriteString(names[c-'1'])
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// withoutYear takes the seventh field, the year, off an expression of Quartz. In such a one the numbers of weekdays may
// begin with 1 or with 0 for Sunday, and so only names are taken.
func withoutYear(fields []string) ([]string, error) {
	year := fields[6]
	switch {
	case !isYear(year) && isCrontab(fields):
		return nil, crontabLine(fields)
	case year != "*" && year != "?":
		return nil, fmt.Errorf("there are 7 fields, and the last is the year in Quartz: there are no years here; write the first 6, and start_at and " +
			"end_at for the years")
	case fromSunday1(fields[5]) != fields[5] || strings.Contains(fields[5], "0"):
		return nil, errors.New("there are 7 fields, as in Quartz, where weekdays are numbered from 1 for Sunday: write the first 6, and " +
			"names such as fri for weekdays")
	}
	return fields[:6], nil
}

var yearPattern = regexp.MustCompile(`^([*?]|\*/[0-9]+|[0-9]{4}([-,/][0-9]+)*)$`)

func isYear(text string) bool { return yearPattern.MatchString(text) }

// wordPattern finds what may be a command, or the user that runs it.
var wordPattern = regexp.MustCompile(`[a-z]{2}|[/.]`)

// commandPattern matches text that occurs in most commands and in no field.
var commandPattern = regexp.MustCompile(`/[a-z.]|[.$~_=;&|>"']`)

// isCrontab reports whether the first five fields are an expression, and words follow.
func isCrontab(fields []string) bool {
	if !wordPattern.MatchString(strings.Join(fields[5:], " ")) {
		return false
	}
	_, err := parseFields([6]string(append([]string{"0"}, fields[:5]...)), EitherDay)
	return err == nil
}

func crontabLine(fields []string) error {
	return fmt.Errorf("this is a line of a crontab: write %q alone; what runs is the task", strings.Join(fields[:5], " "))
}

// meant returns a better error for six fields if they look like the syntax of another program, and err otherwise.
func meant(fields []string, err error) error {
	last := fields[5]
	switch {
	case (fields[2] == "?") != (fields[4] == "?") && isYear(last):
		return eventBridge(fields)
	case len(last) >= 4 && isYear(last):
		return fmt.Errorf("there are no years here: write %q, with start_at and end_at for the years", strings.Join(fields[:5], " "))
	case commandPattern.MatchString(last) && isCrontab(fields):
		return crontabLine(fields)
	}
	return err
}
