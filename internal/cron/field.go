package cron

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// field is the grammar of one field of an expression, apart from the day rules L, W and #.
type field struct {
	name     string
	min, max int
	names    []string // of min, min+1, …
	long     []string // the same, in full
	// top is the largest number that may be written. It is more than max where a value has two numbers.
	top int
	// anyDay says that ? may stand for *.
	anyDay bool
}

// errEmpty is found in "1,,2".
var errEmpty = errors.New("an item of the list is empty: there is a comma too many")

func secondField() field { return field{name: "second", max: 59, top: 59} }
func minuteField() field { return field{name: "minute", max: 59, top: 59} }
func hourField() field   { return field{name: "hour", max: 23, top: 23} }
func dayField() field    { return field{name: "day of month", min: 1, max: 31, top: 31, anyDay: true} }

func monthField() field {
	return field{name: "month", min: 1, max: 12, top: 12, names: []string{
		"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
	}, long: []string{
		"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
	}}
}

func weekdayField() field {
	return field{name: "day of week", min: 0, max: 6, top: 7, anyDay: true, names: []string{
		"sun", "mon", "tue", "wed", "thu", "fri", "sat",
	}, long: []string{
		"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
	}}
}

// size returns the number of values of the field.
func (f field) size() int { return f.max - f.min + 1 }

// list parses a list of items. If special is not nil, it gets each item first, and reports whether it has parsed the item.
func (f field) list(text string, special func(item string) (bool, error)) (set, error) {
	var values set
	for item := range strings.SplitSeq(text, ",") {
		if special != nil {
			taken, err := special(item)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", f.name, err)
			}
			if taken {
				continue
			}
		}
		v, err := f.item(item)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f.name, err)
		}
		values |= v
	}
	return values, nil
}

// item reads *, a value or a range, each with or without a step, and ? as * where it is allowed.
func (f field) item(item string) (set, error) {
	if err := f.mistake(item); err != nil {
		return 0, err
	}
	base, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		var err error
		if step, err = f.step(stepText); err != nil {
			return 0, err
		}
	}
	if base == "*" || base == "?" {
		return f.span(f.min, f.max, step), nil
	}
	firstText, lastText, ranged := strings.Cut(base, "-")
	first, err := f.value(firstText)
	if err != nil {
		return 0, err
	}
	switch {
	case ranged:
		return f.ranged(first, lastText, step)
	case stepped:
		return f.span(f.least(first), f.max, step), nil
	default:
		return f.span(first, first, 1), nil
	}
}

// mistake returns an error with advice for a common mistake, or nil.
func (f field) mistake(item string) error {
	switch {
	case item == "":
		return errEmpty
	case strings.HasPrefix(item, "?") && !f.anyDay:
		return fmt.Errorf("%q: ? stands for any day, in day of month and day of week only; write *", item)
	case strings.HasPrefix(item, "/"):
		return fmt.Errorf("%q lacks what the step is of: write *%s", item, item)
	case strings.HasPrefix(item, "-"):
		last := ""
		if f.name == dayField().name {
			last = " or L for the last day"
		}
		return fmt.Errorf("%q begins with a minus: write %s%s, or a range with both ends", item, f.allowed(), last)
	case item == "h" || strings.HasPrefix(item, "h/") || strings.HasPrefix(item, "h("):
		return fmt.Errorf("%q: there is no H, as in Jenkins: write %s, and use jitter to spread schedules", item, f.allowed())
	}
	return nil
}

// ranged returns every step-th value from first to the value of lastText.
func (f field) ranged(first int, lastText string, step int) (set, error) {
	last, err := f.value(lastText)
	if err != nil {
		return 0, err
	}
	if first == last {
		return f.span(first, first, 1), nil
	}
	return f.span(first, last, step), nil
}

// span returns first, first+step, … up to last. It continues at the minimum after the maximum.
func (f field) span(first, last, step int) set {
	if last < first {
		last += f.size()
	}
	var values set
	for v := first; v <= last; v += step {
		values.add(f.min + (v-f.min)%f.size())
	}
	return values
}

// valueOrRange reads a value, or a range without a step.
func (f field) valueOrRange(text string) (set, error) {
	firstText, lastText, ranged := strings.Cut(text, "-")
	first, err := f.value(firstText)
	if err != nil {
		return 0, err
	}
	if ranged {
		return f.ranged(first, lastText, 1)
	}
	return f.span(first, first, 1), nil
}

// least turns 7 into 0 where both are Sunday, so that a span from there to the maximum has something in it.
func (f field) least(v int) int { return f.min + (v-f.min)%f.size() }

// value reads a number or a name. The number may be above max where the field has two for one value.
func (f field) value(text string) (int, error) {
	for i, name := range f.names {
		if text == name || text == f.long[i] {
			return f.min + i, nil
		}
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if errors.Is(err, strconv.ErrRange) || err == nil && (int(n) < f.min || int(n) > f.top) {
		return 0, fmt.Errorf("%s is out of range %d-%d", text, f.min, f.top)
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not %s", text, f.allowed())
	}
	return int(n), nil
}

func (f field) allowed() string {
	if f.names == nil {
		return fmt.Sprintf("a number %d-%d", f.min, f.top)
	}
	return fmt.Sprintf("a number %d-%d or a name %s-%s", f.min, f.top, f.names[0], f.names[len(f.names)-1])
}

// step parses the number after the slash. It refuses steps larger than the number of values of the field: */90 minutes is
// meant as every 90 minutes, which cron cannot express.
func (f field) step(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("step %q is not a number 1-%d", text, f.size())
	}
	if err != nil || n < 1 || int(n) > f.size() {
		return 0, fmt.Errorf("step %s is out of range 1-%d", text, f.size())
	}
	return int(n), nil
}
