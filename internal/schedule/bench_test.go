package schedule_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

// BenchmarkPlan plans 100,000 schedules that are due, as a beat does in a busy minute. One op is one schedule.
func BenchmarkPlan(b *testing.B) {
	const schedules = 100_000
	kinds := map[string]func(i int) schedule.Spec{
		"every":          func(int) schedule.Spec { return spec(every(time.Minute)) },
		"jitter":         func(int) schedule.Spec { return spec(every(time.Minute), jitter(10*time.Second)) },
		"cron":           func(int) schedule.Spec { return spec(cronIn("*/5 9-17 * * mon-fri", "")) },
		"cron in Berlin": func(int) schedule.Spec { return spec(cronIn("0 2 * * *", "Europe/Berlin")) },
		"10,000 crons": func(i int) schedule.Spec {
			return spec(cronIn(fmt.Sprintf("%d %d * * %d", i%60, i/60%24, i%10000/1440), ""))
		},
		"too many to keep": func(i int) schedule.Spec {
			return spec(cronIn(fmt.Sprintf("%d %d %d * * *", i%60, i/60%60, i/3600%24), ""))
		},
	}
	for _, kind := range []string{"every", "jitter", "cron", "cron in Berlin", "10,000 crons", "too many to keep"} {
		b.Run(kind, func(b *testing.B) {
			due := make([]*schedule.Schedule, schedules)
			for i := range due {
				s, err := schedule.Put(nil, strconv.Itoa(i), kinds[kind](i), false, schedule.OriginAPI, created)
				if err != nil {
					b.Fatal(err)
				}
				due[i] = s
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s := *due[i%schedules]
				if runs, err := schedule.Plan(&s, s.Due, nil); err != nil || len(runs) != 1 {
					b.Fatal(runs, err)
				}
				i++
			}
		})
	}
}

// BenchmarkPlanAfterADowntime plans a schedule of every second that was forgotten for a month.
func BenchmarkPlanAfterADowntime(b *testing.B) {
	for name, sp := range map[string]schedule.Spec{
		"every": spec(every(time.Second)), "cron": spec(cronIn("* * * * * *", "Europe/Berlin")),
	} {
		b.Run(name, func(b *testing.B) {
			forgotten := put(b, nil, sp, created)
			for b.Loop() {
				s := *forgotten
				plan(b, &s, after(30*24*time.Hour))
			}
		})
	}
}
