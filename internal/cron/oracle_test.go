package cron_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/cron"
)

var seedFlag = flag.Uint64("cron.seed", 0, "seed of TestOracle; 0 draws one")

// zoneNames are the zones with the strangest histories, and some ordinary ones.
func zoneNames() []string {
	return []string{
		"UTC", "Europe/Berlin", "America/New_York", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Apia",
		"America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "Pacific/Kiritimati", "Europe/Dublin", "Africa/Casablanca", "Asia/Hebron",
		"Pacific/Kwajalein", "Europe/Amsterdam", "Africa/Monrovia", "Asia/Pyongyang", "America/Caracas", "Europe/Volgograd", "America/Havana",
		"America/Santiago", "Asia/Tehran", "Pacific/Chatham", "America/Nuuk", "America/Asuncion", "America/St_Johns", "Africa/Freetown", "Asia/Gaza",
		"Antarctica/Casey", "America/Anchorage", "Asia/Kathmandu", "Atlantic/Azores",
	}
}

// TestOracle compares Next with a walk over all instants that asks of each whether the clock on the wall says so.
func TestOracle(t *testing.T) {
	const (
		workers = 4
		triples = 2500 // of each
	)
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test -run TestOracle -cron.seed=%d", seed)
	var all []history
	for _, name := range zoneNames() {
		all = append(all, newHistory(mustZone(t, name)))
	}
	for worker := range workers {
		t.Run(fmt.Sprint(worker), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(worker)))
			found := 0
			for range triples {
				if compare(t, random, all[random.IntN(len(all))]) {
					found++
				}
				if t.Failed() {
					return
				}
			}
			if found < triples/4 {
				t.Errorf("only %d of %d expressions have a tick before the horizon: the comparison says little", found, triples)
			}
			t.Logf("%d of %d have a tick before the horizon", found, triples)
		})
	}
}

// compare checks one random triple and says whether the walk came to a tick.
func compare(t *testing.T, random *rand.Rand, h history) bool {
	t.Helper()
	expr, match := randomExpression(random), cron.EitherDay
	if random.IntN(3) == 0 {
		match = cron.BothDays
	}
	change := h.changes[random.IntN(len(h.changes))]
	o := oracle{fields: strings.Fields(strings.ToLower(expr)), both: match == cron.BothDays, loc: h.loc, step: 60}
	after, horizon := change+random.Int64N(36*3600)-30*3600, int64(36*3600)
	if len(o.fields) == 6 || change%60 != 0 || offsetAt(change, h.loc)%60 != 0 || offsetAt(change-1, h.loc)%60 != 0 {
		o.step = 1
		after, horizon = change+random.Int64N(3*3600)-2*3600, 2*3600
	}
	if len(o.fields) == 5 {
		o.fields = slices.Insert(o.fields, 0, "0")
	}
	o.prepare()
	want, found := o.next(after, after+horizon)
	got, ok := mustParse(t, expr, match).Next(time.Unix(after, 0), h.loc)
	switch {
	case found && (!ok || got.Unix() != want):
		t.Errorf("%q (%s) in %s after %s: got %s, %v, want %s", expr, match, h.loc, time.Unix(after, 0).In(h.loc), got, ok, time.Unix(want, 0).In(h.loc))
	case !found && ok && got.Unix() <= after+horizon:
		t.Errorf("%q (%s) in %s after %s: got %s, want none until %s", expr, match, h.loc, time.Unix(after, 0).In(h.loc), got, time.Unix(after+horizon, 0).In(h.loc))
	}
	return found
}

// history is a zone with the instants at which its clocks were changed, or with some plain ones if they never were.
type history struct {
	loc     *time.Location
	changes []int64
}

func newHistory(loc *time.Location) history {
	h := history{loc: loc}
	const quarter = 6 * 3600
	for t := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).Unix(); t < time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC).Unix(); t += quarter {
		if offsetAt(t, loc) == offsetAt(t+quarter, loc) {
			continue
		}
		before, since := t, t+quarter
		for since-before > 1 {
			if middle := (before + since) / 2; offsetAt(middle, loc) == offsetAt(t, loc) {
				before = middle
			} else {
				since = middle
			}
		}
		h.changes = append(h.changes, since)
	}
	for year := 1904; len(h.changes) < 40 || year < 2060; year += 4 { // and the days that leap years add
		h.changes = append(h.changes, time.Date(year, 2, 29, 0, 0, 0, 0, time.UTC).Unix(), time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC).Unix())
	}
	return h
}

func offsetAt(t int64, loc *time.Location) int64 {
	_, offset := time.Unix(t, 0).In(loc).Zone()
	return int64(offset)
}

// oracle decides by the text of the fields, an instant at a time.
type oracle struct {
	fields  []string // six
	both    bool
	loc     *time.Location
	step    int64
	inClock [3][60]bool // second, minute, hour
}

func (o *oracle) prepare() {
	for i, top := range []int{59, 59, 23} {
		for v := 0; v <= top; v++ {
			o.inClock[i][v] = contains(o.fields[i], v, 0, top, nil)
		}
	}
}

// next walks from after to the horizon.
func (o *oracle) next(after, horizon int64) (int64, bool) {
	anyHour := strings.Contains(o.fields[2], "*")
	last := int64(0)
	for t := after - (after%o.step+o.step)%o.step; t <= horizon; t += o.step {
		offset := offsetAt(t, o.loc)
		if t > after {
			if o.says(t+offset) && (anyHour || !o.shownBefore(t)) {
				return t, true
			}
			if !anyHour {
				for skipped := t + last; skipped < t+offset; skipped += o.step {
					if o.says(skipped) {
						return t, true
					}
				}
			}
		}
		last = offset
	}
	return 0, false
}

// shownBefore looks for an earlier instant with the same reading, under each offset of the last 27 hours.
func (o *oracle) shownBefore(t int64) bool {
	reading := t + offsetAt(t, o.loc)
	for back := int64(0); back < 27*3600; back += 600 {
		offset := offsetAt(t-back, o.loc)
		if earlier := reading - offset; earlier < t && offsetAt(earlier, o.loc) == offset {
			return true
		}
	}
	return false
}

// says tells whether the fields match what the clock shows.
func (o *oracle) says(reading int64) bool {
	second := ((reading % 86400) + 86400) % 86400
	if !o.inClock[0][second%60] || !o.inClock[1][second/60%60] || !o.inClock[2][second/3600] {
		return false
	}
	date := time.Unix(reading, 0).UTC()
	if !contains(o.fields[4], int(date.Month()), 1, 12, strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec")) {
		return false
	}
	monthDay, weekDay := o.monthDay(date), o.weekDay(date)
	restricted := func(text string) bool { return text != "*" && text != "?" }
	if !o.both && restricted(o.fields[3]) && restricted(o.fields[5]) {
		return monthDay || weekDay
	}
	return monthDay && weekDay
}

func (o *oracle) monthDay(date time.Time) bool {
	last := time.Date(date.Year(), date.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	for item := range strings.SplitSeq(o.fields[3], ",") {
		number, nearest := strings.CutSuffix(item, "w")
		before, beforeLast := strings.CutPrefix(item, "l-")
		var hit bool
		switch {
		case item == "lw":
			hit = date.Day() == nearestWorkday(date, last)
		case nearest:
			hit = atoi(number) <= last && date.Day() == nearestWorkday(date, atoi(number))
		case beforeLast:
			hit = date.Day()+atoi(before) == last
		case item == "l":
			hit = date.Day() == last
		default:
			hit = contains(strings.Replace(item, "-l", "-"+strconv.Itoa(last), 1), date.Day(), 1, 31, nil)
		}
		if hit {
			return true
		}
	}
	return false
}

// nearestWorkday tries all days of the month.
func nearestWorkday(date time.Time, day int) int {
	best := 100
	for d := 1; d <= 31; d++ {
		candidate := time.Date(date.Year(), date.Month(), d, 0, 0, 0, 0, time.UTC)
		weekend := candidate.Weekday() == time.Saturday || candidate.Weekday() == time.Sunday
		if candidate.Month() == date.Month() && !weekend && max(d-day, day-d) < max(best-day, day-best) {
			best = d
		}
	}
	return best
}

func (o *oracle) weekDay(date time.Time) bool {
	names := strings.Fields("sun mon tue wed thu fri sat")
	weekday := int(date.Weekday())
	for item := range strings.SplitSeq(o.fields[5], ",") {
		day, nth, numbered := strings.Cut(item, "#")
		lastDay, last := strings.CutSuffix(item, "l")
		var hit bool
		switch {
		case numbered:
			hit = valueOf(day, names, 0)%7 == weekday && (date.Day()+6)/7 == atoi(nth)
		case last:
			hit = valueOf(lastDay, names, 0)%7 == weekday && date.AddDate(0, 0, 7).Month() != date.Month()
		case strings.HasPrefix(item, "0-7"), strings.HasPrefix(item, "sun-7"): // the only range that comes to a day twice
			_, step, _ := strings.Cut(item, "/")
			hit = weekday%max(atoi(step), 1) == 0 || 7%max(atoi(step), 1) == 0 && weekday == 0
		default:
			hit = contains(item, weekday, 0, 6, names)
		}
		if hit {
			return true
		}
	}
	return false
}

// contains tells by arithmetic whether a value is in a list, without listing what else is.
func contains(list string, value, least, most int, names []string) bool {
	for item := range strings.SplitSeq(list, ",") {
		base, step, stepped := strings.Cut(item, "/")
		every := max(atoi(step), 1)
		first, last, ranged := strings.Cut(base, "-")
		size := most - least + 1
		from, to := least, most
		if base != "*" && base != "?" {
			from = least + (valueOf(first, names, least)-least)%size
			switch {
			case ranged:
				to = valueOf(last, names, least)
			case !stepped:
				to = from
			}
		}
		distance, length := (value-from+size)%size, ((to-from)%size+size)%size
		if distance <= length && distance%every == 0 {
			return true
		}
	}
	return false
}

func valueOf(text string, names []string, least int) int {
	if i := slices.Index(names, text); i >= 0 {
		return i + least
	}
	return atoi(text)
}

func atoi(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// randomExpression writes one with a tick soon, more often than not.
func randomExpression(random *rand.Rand) string {
	pick := func(options ...string) string { return options[random.IntN(len(options))] }
	number := func(least, most int) string { return strconv.Itoa(least + random.IntN(most-least+1)) }
	item := func(least, most int) string {
		step := "/" + strconv.Itoa(1+random.IntN(most-least+1))
		span := number(least, most) + "-" + number(least, most)
		return pick(number(least, most), number(least, most), span, span+step, number(least, most)+step, "*"+step)
	}
	list := func(item func() string) string {
		items := []string{item()}
		for random.IntN(3) == 0 {
			items = append(items, item())
		}
		return strings.Join(items, ",")
	}
	clock := func(most int) string { return list(func() string { return item(0, most) }) }
	weekday := func() string { return pick(number(0, 7), pick("sun", "Mon", "tue", "WED", "thu", "fri", "sat")) }
	hour := pick("*", clock(23), clock(23), number(0, 4), number(0, 4), number(0, 3)+","+number(0, 3), number(22, 23)+"-"+number(0, 3), "0-23", "2")
	minute := pick("*", clock(59), clock(59), "*/"+number(1, 30), "0", "30")
	day, month, dayOfWeek := "*", "*", "*"
	if random.IntN(2) == 0 {
		day = list(func() string {
			return pick(item(1, 31), number(1, 31)+"W", "L", "l-"+number(0, 6), "LW", number(20, 28)+"-L", "1-L/"+number(1, 9))
		})
	}
	if random.IntN(4) == 0 {
		month = list(func() string { return pick(item(1, 12), "jan-DEC", "oct-apr", "Mar-nov/"+number(1, 4)) })
	}
	if random.IntN(2) == 0 {
		dayOfWeek = list(func() string {
			return pick(item(0, 6), number(0, 7), weekday()+"-"+weekday(), weekday()+"-"+weekday()+"/"+number(1, 4), weekday()+"#"+number(1, 5), weekday()+"L", "0-7/"+number(1, 7), "5-7", "?", "?/2")
		})
	}
	expr := strings.Join([]string{minute, hour, day, month, dayOfWeek}, " ")
	if random.IntN(3) == 0 {
		expr = pick("0", "*", clock(59), "59", "*/15") + " " + expr
	}
	return expr
}
