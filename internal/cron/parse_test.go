package cron_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/cron"
)

func TestParseRefuses(t *testing.T) {
	const days = `: the last day is L, L-3 (three days before it), LW (last weekday) or the end of a range such as 25-L`
	for expr, want := range map[string]string{
		"":                "there are 0 fields: cron takes 5 (minute, hour, day of month, month, day of week), 6 (second first), or a macro such as @daily",
		"* * * *":         "there are 4 fields: cron takes 5 (minute, hour, day of month, month, day of week), 6 (second first), or a macro such as @daily",
		"* * * * * * * *": "there are 8 fields: cron takes 5 (minute, hour, day of month, month, day of week), 6 (second first), or a macro such as @daily",
		"@often":          `"@often" is not known: the macros are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually`,

		"60 * * * * *":                    "second: 60 is out of range 0-59",
		"60 * * * *":                      "minute: 60 is out of range 0-59",
		"0 24 * * *":                      "hour: 24 is out of range 0-23",
		"0 0 0 * *":                       "day of month: 0 is out of range 1-31",
		"0 0 32 * *":                      "day of month: 32 is out of range 1-31",
		"0 0 * 13 *":                      "month: 13 is out of range 1-12",
		"0 0 * 0 *":                       "month: 0 is out of range 1-12",
		"0 0 * * 8":                       "day of week: 8 is out of range 0-7",
		"99999999999999999999999 * * * *": "minute: 99999999999999999999999 is out of range 0-59",
		"0 9-24 * * *":                    "hour: 24 is out of range 0-23",

		"x * * * *":     `minute: "x" is not a number 0-59`,
		"x/5 * * * *":   `minute: "x" is not a number 0-59`,
		"+5 * * * *":    `minute: "+5" is not a number 0-59`,
		"1.5 * * * *":   `minute: "1.5" is not a number 0-59`,
		"5- * * * *":    `minute: "" is not a number 0-59`,
		"1-2-3 * * * *": `minute: "2-3" is not a number 0-59`,
		"*-5 * * * *":   `minute: "*" is not a number 0-59`,
		"** * * * *":    `minute: "**" is not a number 0-59`,
		"٣ * * * *":     `minute: "٣" is not a number 0-59`,
		"L * * * *":     `minute: "l" is not a number 0-59`,
		"0 0 * foo *":   `month: "foo" is not a number 1-12 or a name jan-dec`,
		"0 0 * mon *":   `month: "mon" is not a number 1-12 or a name jan-dec`,
		"0 0 * * mond":  `day of week: "mond" is not a number 0-7 or a name sun-sat`,
		"1,,2 * * * *":  "minute: an item of the list is empty: there is a comma too many",
		"1, * * * *":    "minute: an item of the list is empty: there is a comma too many",

		"*/0 * * * *":   "minute: step 0 is out of range 1-60",
		"*/61 * * * *":  "minute: step 61 is out of range 1-60",
		"0 */25 * * *":  "hour: step 25 is out of range 1-24",
		"*/x * * * *":   `minute: step "x" is not a number 1-60`,
		"*/ * * * *":    `minute: step "" is not a number 1-60`,
		"*/5/5 * * * *": `minute: step "5/5" is not a number 1-60`,
		"*/-5 * * * *":  `minute: step "-5" is not a number 1-60`,

		"0 0 L/2 * *":  `day of month: "l/2"` + days,
		"0 0 L1 * *":   `day of month: "l1"` + days,
		"0 0 L-31 * *": `day of month: "l-31": L- takes a number of days 0-30`,
		"0 0 L- * *":   `day of month: "l-": L- takes a number of days 0-30`,
		"0 0 L-L * *":  `day of month: "l-l": L- takes a number of days 0-30`,
		"0 0 32W * *":  "day of month: before W: 32 is out of range 1-31",
		"0 0 W * *":    `day of month: before W: "" is not a number 1-31`,
		"0 0 1-5W * *": `day of month: before W: "1-5" is not a number 1-31`,
		"0 0 5#3 * *":  `day of month: "5#3" is not a number 1-31`,
		"0 0 * * L":    "day of week: an L needs a weekday before it, such as 5L or friL for the last Friday of the month",
		"0 0 * * 8L":   "day of week: before L: 8 is out of range 0-7",
		"0 0 * * 1-5L": `day of week: before L: "1-5" is not a number 0-7 or a name sun-sat`,
		"0 0 * * 5#0":  `day of week: "5#0": # takes which one of the month, 1-5 or L, such as 5#3 for the third Friday`,
		"0 0 * * 5#6":  `day of week: "5#6": # takes which one of the month, 1-5 or L, such as 5#3 for the third Friday`,
		"0 0 * * #3":   `day of week: before #: "" is not a number 0-7 or a name sun-sat`,
		"0 0 * * 15W":  `day of week: "15w" is not a number 0-7 or a name sun-sat`,

		"60 24 * * 8": "minute: 60 is out of range 0-59; hour: 24 is out of range 0-23; day of week: 8 is out of range 0-7",

		strings.Repeat("0,", cron.MaxLength/2) + "0 * * * *": "the expression is longer than 1024 bytes",
	} {
		_, err := cron.Parse(expr, cron.EitherDay)
		if err == nil || err.Error() != want {
			t.Errorf("Parse(%q):\ngot  %v\nwant %s", expr, err, want)
		}
	}
}

// What people paste from elsewhere is refused with what to write here.
func TestParseTellsWhatToWrite(t *testing.T) {
	const bridge = "this is of AWS EventBridge, which begins with minutes and ends with a year"
	const question = `? stands for any day, in day of month and day of week only; write *`
	for expr, want := range map[string]string{
		"0 2 * * ? *":                  bridge + `: write "0 2 * * ?"`,
		"0 18 ? * MON-FRI *":           bridge + `: write "0 18 ? * mon-fri"`,
		"15 10 ? * 6L 2024-2026":       bridge + `: write "15 10 ? * fril", with start_at and end_at for the years`,
		"cron(0 10 ? * 2,7#1 *)":       bridge + `: write "0 10 ? * mon,sat#1"`,
		"cron(0 10 * * ?)":             bridge + ": write five fields, minute, hour, day of month, month and day of week",
		"rate(5 minutes)":              `an interval is no cron expression: write every, such as "5m", in place of cron`,
		"? * * * *":                    `minute: "?": ` + question,
		"0 ? * * *":                    `hour: "?": ` + question,
		"0 0 * ? *":                    `month: "?": ` + question,
		"0 5,?/15 * * * *":             `minute: "?/15": ` + question,
		"CRON_TZ=Asia/Tokyo 0 0 * * *": `the time zone has a field of its own: write timezone "Asia/Tokyo", and cron "0 0 * * *"`,
		"TZ=UTC @daily":                `the time zone has a field of its own: write timezone "UTC", and cron "@daily"`,
		"@every 5m":                    `an interval is no cron expression: write every "5m" in place of cron`,
		"@reboot":                      "@reboot is no time: enqueue a task where your program starts",
		"@daily UTC":                   "@daily stands alone: the time zone is timezone, and what runs is the task",
		"@daily /usr/bin/backup":       "@daily stands alone: the time zone is timezone, and what runs is the task",

		"0 2 * * * /usr/bin/backup":         `this is a line of a crontab: write "0 2 * * *" alone; what runs is the task`,
		"0 2 * * * ./backup.sh":             `this is a line of a crontab: write "0 2 * * *" alone; what runs is the task`,
		"0 2 * * * root /usr/bin/backup -v": `this is a line of a crontab: write "0 2 * * *" alone; what runs is the task`,
		"*/5 * * * * php artisan":           `this is a line of a crontab: write "*/5 * * * *" alone; what runs is the task`,
		"*/5 * * * * cd /srv && ./run.sh":   `this is a line of a crontab: write "*/5 * * * *" alone; what runs is the task`,
		"0 0 1 1 * 2026":                    `there are no years here: write "0 0 1 1 *", with start_at and end_at for the years`,
		"0 0 12 1 1 ? 2026":                 "there are 7 fields, and the last is the year in Quartz: there are no years here; write the first 6, and start_at and end_at for the years",
		"0 0 12 ? * 2 *":                    "there are 7 fields, as in Quartz, where weekdays are numbered from 1 for Sunday: write the first 6, and names such as fri for weekdays",
		"0 0 12 ? * 6#3 *":                  "there are 7 fields, as in Quartz, where weekdays are numbered from 1 for Sunday: write the first 6, and names such as fri for weekdays",

		"H * * * *":       `minute: "h": there is no H, as in Jenkins: write a number 0-59, and use jitter to spread schedules`,
		"H/15 * * * *":    `minute: "h/15": there is no H, as in Jenkins: write a number 0-59, and use jitter to spread schedules`,
		"0 H(0-7) * * *":  `hour: "h(0-7)": there is no H, as in Jenkins: write a number 0-23, and use jitter to spread schedules`,
		"-1 * * * *":      `minute: "-1" begins with a minus: write a number 0-59, or a range with both ends`,
		"0 0 -1 * *":      `day of month: "-1" begins with a minus: write a number 1-31 or L for the last day, or a range with both ends`,
		"/5 * * * *":      `minute: "/5" lacks what the step is of: write */5`,
		"0 0 * * MON#FRI": `day of week: "mon#fri": # takes which one of the month, 1-5 or L, such as 5#3 for the third Friday`,
	} {
		_, err := cron.Parse(expr, cron.EitherDay)
		if err == nil || err.Error() != want {
			t.Errorf("Parse(%q):\ngot  %v\nwant %s", expr, err, want)
		}
	}
}

func TestParseRefusesAnUnknownDayMatch(t *testing.T) {
	_, err := cron.Parse("@daily", "xor")
	if want := `day match "xor" is not known: it is "or" or "and"`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestParseAlike checks what else can be written for an expression: both have the same ticks.
func TestParseAlike(t *testing.T) {
	for _, pair := range [][2]string{
		{"*/20 * * * *", "0 */20 * * * *"},
		{"  5\t4 * *  * ", "5 4 * * *"},
		{"@hourly", "0 * * * *"},
		{"@daily", "0 0 * * *"},
		{"@midnight", "0 0 * * *"},
		{"@weekly", "0 0 * * sun"},
		{"@monthly", "0 0 1 * *"},
		{"@yearly", "0 0 1 jan *"},
		{"@ANNUALLY", "0 0 1 1 *"},
		{"* * ? * ?", "* * * * *"},
		{"0 0 * * Monday", "0 0 * * 1"},
		{"0 0 * January-march Friday-monday", "0 0 * 1-3 5-1"},
		{"0 0 * * tuesdayL", "0 0 * * 2L"},
		{"0 0 * * FRI#L", "0 0 * * 5L"},
		{"0 0 * * MON-FRI#1", "0 0 * * 1#1,2#1,3#1,4#1,5#1"},
		{"0 0 * * 5-7#2", "0 0 * * 5#2,6#2,0#2"},
		{"0 0 * * sat-sun#L", "0 0 * * 6L,0L"},
		{"0 0 12 ? * fri#3 *", "0 0 12 * * fri#3"},
		{"0 0 12 1/5 * ? *", "0 0 12 1/5 * *"},
		{"0 0 ? * FRI", "0 0 * * 5"},
		{"0 0 * jan,MAR,Dec *", "0 0 * 1,3,12 *"},
		{"0 0 * * Mon-wED", "0 0 * * 1,2,3"},
		{"0 0 * * 7", "0 0 * * 0"},
		{"0 0 * * 5-7", "0 0 * * 5,6,0"},
		{"0 0 * * 0-7", "0 0 * * 0,1,2,3,4,5,6"},
		{"0 0 * * 7-7", "0 0 * * 0"},
		{"0 0 * * 7-0", "0 0 * * 0"},
		{"0 0 * * sun-sat", "0 0 * * 0-6"},
		{"0 0 * * 7-4", "0 0 * * 0-4"},
		{"0 0 * * fri-mon", "0 0 * * 5,6,0,1"},
		{"0 0 * * fri-mon/2", "0 0 * * 5,0"},
		{"0 0 * * 1/2", "0 0 * * 1,3,5"},
		{"0 0 * * 7/3", "0 0 * * 0,3,6"},
		{"0 0 * * 1-7/2", "0 0 * * 1,3,5,0"},
		{"0 0 * * */2", "0 0 * * 0,2,4,6"},
		{"0 22-2 * * *", "0 22,23,0,1,2 * * *"},
		{"0 22-3/2 * * *", "0 22,0,2 * * *"},
		{"0 */24 * * *", "0 0 * * *"},
		{"50-10/10 * * * *", "50,0,10 * * * *"},
		{"7/15 * * * *", "7,22,37,52 * * * *"},
		{"10-30/7,0 * * * *", "0,10,17,24 * * * *"},
		{"1-3/60 * * * *", "1 * * * *"},
		{"5-5/2 * * * *", "5 * * * *"},
		{"0 0 28-3 * *", "0 0 28,29,30,31,1,2,3 * *"},
		{"0 0 1 nov-feb *", "0 0 1 11,12,1,2 *"},
		{"0 0 L-0 * *", "0 0 L * *"},
		{"0 0 l * *", "0 0 L * *"},
		{"0 0 25-L * *", "0 0 25-31 * *"},
		{"0 0 1-L/8 * *", "0 0 1,9,17,25 * *"},
		{"0 0 * * FRIl", "0 0 * * 5L"},
		{"0 0 * * 7L", "0 0 * * sunL"},
		{"0 0 * * 0#2", "0 0 * * sun#2"},
		{"0 0 * * 7#2", "0 0 * * sun#2"},
		{"05 00 01 01 *", "5 0 1 1 *"},
	} {
		a, b := mustParse(t, pair[0], cron.EitherDay), mustParse(t, pair[1], "")
		at := parseTime(t, "2027-12-30T21:00:00Z")
		for range 100 {
			x, _ := a.Next(at, time.UTC)
			y, _ := b.Next(at, time.UTC)
			if !x.Equal(y) || x.IsZero() {
				t.Errorf("after %s: %q comes %s, %q comes %s", at, pair[0], x, pair[1], y)
				break
			}
			at = x
		}
	}
}

func TestExpressionIsSafeForConcurrentUse(t *testing.T) {
	e := mustParse(t, "30 2 L-1,15W * 5#3", cron.EitherDay)
	berlin := mustZone(t, "Europe/Berlin")
	after := parseTime(t, "2026-01-01T00:00:00Z")
	want, _ := e.Next(after, berlin)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				if got, _ := e.Next(after, berlin); !got.Equal(want) {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
	group.Wait()
}
