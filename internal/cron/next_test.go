package cron_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/cron"
)

// TestDays lists the days of the ticks of 2026, which begins with a Thursday, as month.day.
func TestDays(t *testing.T) {
	for _, c := range []struct {
		day, month, weekday string
		match               cron.DayMatch
		want                string
	}{
		{"L", "1-4", "*", "", "1.31 2.28 3.31 4.30"},
		{"L-3", "1-4", "*", "", "1.28 2.25 3.28 4.27"},
		{"L-28", "1-4", "*", "", "1.3 3.3 4.2"}, // February has no day so long before its last
		{"L-30", "1-4", "*", "", "1.1 3.1"},
		{"LW", "1-6", "*", "", "1.30 2.27 3.31 4.30 5.29 6.30"},
		{"15W", "1-6", "*", "", "1.15 2.16 3.16 4.15 5.15 6.15"},
		{"1W", "1-3,8", "*", "", "1.1 2.2 3.2 8.3"}, // 1 August is a Saturday: the Friday before is July's
		{"31W", "1-5", "*", "", "1.30 3.31 5.29"},   // 31 May is a Sunday: the Monday after is June's
		{"1,15W,L", "2", "*", "", "2.1 2.16 2.28"},
		{"*", "1-4", "5L", "", "1.30 2.27 3.27 4.24"},
		{"*", "1-3", "5#3", "", "1.16 2.20 3.20"},
		{"*", "1-6", "fri#5", "", "1.30 5.29"},
		{"*", "1-2", "sun#1,7L", "", "1.4 1.25 2.1 2.22"},
		{"*", "2", "mon#1,wed", "", "2.2 2.4 2.11 2.18 2.25"},
		{"13", "1-3", "fri", "", "1.2 1.9 1.13 1.16 1.23 1.30 2.6 2.13 2.20 2.27 3.6 3.13 3.20 3.27"},
		{"13", "*", "fri", cron.BothDays, "2.13 3.13 11.13"},
		{"8-14", "1-4", "tue", cron.BothDays, "1.13 2.10 3.10 4.14"},
		{"L", "*", "5L", cron.BothDays, "7.31"},
		{"*", "2", "sun", cron.BothDays, "2.1 2.8 2.15 2.22"},
		{"20", "1-2", "*", cron.BothDays, "1.20 2.20"},
		{"*/10", "1", "sun", "", "1.1 1.4 1.11 1.18 1.21 1.25 1.31"}, // */10 restricts
		{"10", "1", "?", "", "1.10"},
		{"?", "1", "sat", "", "1.3 1.10 1.17 1.24 1.31"},
		{"30", "*", "*", "", "1.30 3.30 4.30 5.30 6.30 7.30 8.30 9.30 10.30 11.30 12.30"},
	} {
		expr := strings.Join([]string{"0 12", c.day, c.month, c.weekday}, " ")
		e := mustParse(t, expr, c.match)
		var got []string
		at := parseTime(t, "2025-12-31T23:59:59Z")
		for {
			next, ok := e.Next(at, time.UTC)
			if !ok || next.Year() > 2026 {
				break
			}
			got = append(got, next.Format("1.2"))
			at = next
		}
		if days := strings.Join(got, " "); days != c.want {
			t.Errorf("%q (%s):\ngot  %s\nwant %s", expr, c.match, days, c.want)
		}
	}
}

// TestClockChanges holds instants in UTC that were worked out by hand from the zone's history.
func TestClockChanges(t *testing.T) {
	for _, c := range []struct {
		name, zone, expr, after, want string
	}{
		{"put forward, fixed hour", "Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z"},
		{"put forward, fixed hour, ticks in one instant", "Europe/Berlin", "*/15 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z"},
		{"put forward, skipped and shown in one instant", "Europe/Berlin", "0 2,3 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z 2026-03-30T01:00:00Z"},
		{"put forward, fixed hours of a range", "Europe/Berlin", "30 0-23 * * *", "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z 2026-03-29T01:00:00Z 2026-03-29T01:30:00Z"},
		{"put forward, any hour", "Europe/Berlin", "30 * * * *", "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z 2026-03-29T01:30:00Z"},
		{"put forward, any second hour", "Europe/Berlin", "0 */2 * * *", "2026-03-28T22:30:00Z", "2026-03-28T23:00:00Z 2026-03-29T02:00:00Z"},
		{"put forward, a list with a star", "Europe/Berlin", "0 2,*/4 * * *", "2026-03-28T22:30:00Z", "2026-03-28T23:00:00Z 2026-03-29T02:00:00Z"},
		{"put forward, seconds", "Europe/Berlin", "59 59 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:59:59Z"},
		{"put forward, from the instant before", "Europe/Berlin", "30 2 * * *", "2026-03-29T00:59:59.999Z", "2026-03-29T01:00:00Z"},
		{"put forward, from the instant", "Europe/Berlin", "30 2 * * *", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		{"put back, fixed hour", "Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
		{"put back, fixed hour, from the second time", "Europe/Berlin", "30 2 * * *", "2026-10-25T01:00:00Z", "2026-10-26T01:30:00Z"},
		{"put back, fixed hour and the end", "Europe/Berlin", "0 3 * * *", "2026-10-25T00:59:59Z", "2026-10-25T02:00:00Z"},
		{"put back, any hour", "Europe/Berlin", "30 * * * *", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z"},
		{"put back, seconds of any hour", "Europe/Berlin", "*/30 59 * * * *", "2026-10-25T00:59:00Z", "2026-10-25T00:59:30Z 2026-10-25T01:59:00Z"},
		{"half an hour forward", "Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z 2026-10-04T15:15:00Z"},
		{"half an hour back", "Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00:00Z", "2026-04-04T14:45:00Z 2026-04-05T15:15:00Z"},
		{"half an hour back, any hour", "Australia/Lord_Howe", "45 * * * *", "2026-04-04T14:00:00Z", "2026-04-04T14:45:00Z 2026-04-04T15:15:00Z 2026-04-04T16:15:00Z"},
		{"two hours forward", "Antarctica/Troll", "30 1,2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-29T23:30:00Z"},
		{"two hours back", "Antarctica/Troll", "30 1,2 * * *", "2026-10-24T12:00:00Z", "2026-10-24T23:30:00Z 2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
		{"a day skipped, fixed hour", "Pacific/Apia", "0 12 * * *", "2011-12-29T20:00:00Z", "2011-12-29T22:00:00Z 2011-12-30T10:00:00Z 2011-12-30T22:00:00Z"},
		{"a day skipped, its date", "Pacific/Apia", "0 12 30 12 *", "2011-01-01T00:00:00Z", "2011-12-30T10:00:00Z 2012-12-29T22:00:00Z"},
		{"a day skipped, any hour", "Pacific/Apia", "0 * 30 12 *", "2011-01-01T00:00:00Z", "2012-12-29T10:00:00Z"},
		{"a day skipped, the year's first", "Pacific/Kiritimati", "0 0 31 12 *", "1994-06-01T00:00:00Z", "1994-12-31T10:00:00Z 1995-12-30T10:00:00Z"},
		{"most of a day twice, fixed hour", "Pacific/Kwajalein", "0 12 * * *", "1969-09-29T12:00:00Z", "1969-09-30T01:00:00Z 1969-10-02T00:00:00Z"},
		{"most of a day twice, any hour", "Pacific/Kwajalein", "0 */12 * * *", "1969-09-30T01:00:00Z", "1969-10-01T00:00:00Z 1969-10-01T12:00:00Z"},
		{"midnight skipped", "America/Sao_Paulo", "0 0 * * *", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z 2018-11-05T02:00:00Z"},
		{"midnight skipped, any hour", "America/Sao_Paulo", "0 */12 * * *", "2018-11-03T16:00:00Z", "2018-11-04T14:00:00Z"},
		{"midnight skipped in Cairo", "Africa/Cairo", "@daily", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z 2026-04-24T21:00:00Z"},
		{"midnight comes twice in Cairo", "Africa/Cairo", "30 23 * * *", "2026-10-29T12:00:00Z", "2026-10-29T20:30:00Z 2026-10-30T21:30:00Z"},
		{"midnight skipped in Beirut", "Asia/Beirut", "15 0 29 3 *", "2026-03-01T00:00:00Z", "2026-03-28T22:00:00Z 2027-03-28T21:15:00Z"},
		{"winter time as the exception", "Europe/Dublin", "30 1 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z"},
		{"winter time as the exception, back", "Europe/Dublin", "30 1 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
		{"back for Ramadan", "Africa/Casablanca", "30 2 * * *", "2026-02-14T12:00:00Z", "2026-02-15T01:30:00Z 2026-02-16T02:30:00Z"},
		{"forward after Ramadan", "Africa/Casablanca", "30 2 * * *", "2026-03-21T12:00:00Z", "2026-03-22T02:00:00Z 2026-03-23T01:30:00Z"},
		{"local mean time to the second", "Europe/Amsterdam", "0 12 * * *", "1930-01-01T00:00:00Z", "1930-01-01T11:40:28Z"},
		{"another offset without summer time", "Asia/Pyongyang", "0 0 5 5 *", "2018-01-01T00:00:00Z", "2018-05-04T15:00:00Z"},
		{"the last day of a leap year", "America/New_York", "0 * * * *", "2028-12-31T12:30:00Z", "2028-12-31T13:00:00Z 2028-12-31T14:00:00Z"},
		{"over the end of a leap year", "America/New_York", "0 0 * * *", "2028-12-31T12:30:00Z", "2029-01-01T05:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantTicks(t, mustParse(t, c.expr, ""), mustZone(t, c.zone), c.after, strings.Fields(c.want)...)
		})
	}
}

func TestNextIsStrictlyAfterAndWhole(t *testing.T) {
	e := mustParse(t, "* * * * * *", "")
	wantTicks(t, e, time.UTC, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z")
	wantTicks(t, e, time.UTC, "2026-01-01T00:00:00.000000001Z", "2026-01-01T00:00:01Z")
	wantTicks(t, e, time.UTC, "1969-12-31T23:59:58.5Z", "1969-12-31T23:59:59Z")
}

func TestHorizon(t *testing.T) {
	for _, c := range []struct {
		expr        string
		match       cron.DayMatch
		after, want string // "" = none
	}{
		{"0 0 31 4 *", "", "2026-01-01T00:00:00Z", ""},
		{"0 0 30 2 *", "", "2026-01-01T00:00:00Z", ""},
		{"0 0 31 2,4,6,9,11 *", "", "2026-01-01T00:00:00Z", ""},
		{"0 0 1 * mon#2", cron.BothDays, "2026-01-01T00:00:00Z", ""},
		{"0 0 29 2 mon", cron.BothDays, "2026-01-01T00:00:00Z", "2044-02-29T00:00:00Z"},
		{"0 0 29 2 mon", cron.BothDays, "2072-02-29T00:00:00Z", "2112-02-29T00:00:00Z"}, // 2100 has none
		{"0 0 29 2 *", "", "1896-02-29T00:00:00Z", "1904-02-29T00:00:00Z"},
		{"0 0 * 2 mon#5", "", "2026-01-01T00:00:00Z", "2044-02-29T00:00:00Z"},
		{"0 0 1 1 *", "", "9998-12-31T00:00:00Z", "9999-01-01T00:00:00Z"},
		{"0 0 1 1 *", "", "9999-01-01T00:00:00Z", ""},
		{"0 0 1 1 *", "", "0001-01-01T00:00:00Z", "0002-01-01T00:00:00Z"},
	} {
		got, ok := mustParse(t, c.expr, c.match).Next(parseTime(t, c.after), time.UTC)
		if ok != (c.want != "") || ok && got.Format(time.RFC3339) != c.want {
			t.Errorf("%q after %s: got %s, %v, want %q", c.expr, c.after, got, ok, c.want)
		}
	}
}

func TestNextFromTheEndsOfTime(t *testing.T) {
	e := mustParse(t, "0 0 1 1 *", "")
	for _, after := range []time.Time{time.Unix(math.MaxInt64, 0), time.Unix(1<<60, 0), time.Unix(253_402_300_800, 0)} {
		if got, ok := e.Next(after, mustZone(t, "Europe/Berlin")); ok {
			t.Errorf("after the year 9999 comes %s", got)
		}
	}
	for _, after := range []time.Time{{}, time.Unix(-1<<60, 0)} {
		if got, ok := e.Next(after, time.UTC); !ok || got.Year() > 2 {
			t.Errorf("after %s comes %s, %v", after, got, ok)
		}
	}
}
