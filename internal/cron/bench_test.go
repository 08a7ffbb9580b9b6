package cron_test

import (
	"testing"

	"github.com/backbeat-go/backbeat/internal/cron"
)

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cron.Parse("*/5 9-17 * * mon-fri", cron.EitherDay); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for _, c := range []struct {
		name, expr, zone, after string
		match                   cron.DayMatch
	}{
		{"EachMinuteUTC", "* * * * *", "UTC", "2026-11-21T10:00:00Z", ""},
		{"EachSecondBerlin", "* * * * * *", "Europe/Berlin", "2026-11-21T10:00:00Z", ""},
		{"OfficeHoursShanghai", "*/5 9-17 * * mon-fri", "Asia/Shanghai", "2026-11-21T10:00:00Z", ""},
		{"NightlyBerlin", "30 2 * * *", "Europe/Berlin", "2026-11-21T10:00:00Z", ""},
		{"NightlyBerlinFarYear", "30 2 * * *", "Europe/Berlin", "2060-11-21T10:00:00Z", ""},
		{"MonthlyNewYork", "0 0 LW * *", "America/New_York", "2026-11-21T10:00:00Z", ""},
		{"LeapDayMonday", "0 0 29 2 mon", "Europe/Berlin", "2072-03-01T10:00:00Z", cron.BothDays},
		{"LeapDayMondayAnyHour", "* * 29 2 mon", "Europe/Berlin", "2072-03-01T10:00:00Z", cron.BothDays},
		{"Never", "0 0 31 4 *", "Europe/Berlin", "2026-11-21T10:00:00Z", ""},
		{"NeverInFiveMonths", "* * 31 2,4,6,9,11 *", "Europe/Berlin", "2026-11-21T10:00:00Z", ""},
		{"NeverInTwelveMonths", "* * 1 * mon#2", "Europe/Berlin", "2026-11-21T10:00:00Z", cron.BothDays},
	} {
		b.Run(c.name, func(b *testing.B) {
			e, loc, after := mustParse(b, c.expr, c.match), mustZone(b, c.zone), parseTime(b, c.after)
			b.ReportAllocs()
			for b.Loop() {
				e.Next(after, loc)
			}
		})
	}
}
