package schedule_test

import (
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

func TestReplan(t *testing.T) {
	daily := cronIn("30 2 * * *", "Europe/Berlin") // 01:30 UTC in winter
	planned := clock(t, "2026-11-22T01:30:00Z")
	for name, test := range map[string]struct {
		spec   func(*schedule.Spec)
		change func(*schedule.Schedule)
		want   time.Time
	}{
		"nothing has changed":    {spec: daily, want: planned},
		"planned too late":       {daily, func(s *schedule.Schedule) { s.Next = planned.Add(time.Hour) }, planned},
		"planned too early":      {daily, func(s *schedule.Schedule) { s.Next = planned.Add(-time.Hour) }, planned},
		"planned a day late":     {daily, func(s *schedule.Schedule) { s.Next = planned.Add(24 * time.Hour) }, planned},
		"a due tick stays":       {daily, func(s *schedule.Schedule) { s.Next = after(-time.Hour) }, after(-time.Hour)},
		"paused":                 {daily, func(s *schedule.Schedule) { *s = *schedule.Pause(s, schedule.PausedByUser, created) }, time.Time{}},
		"an interval":            {every(time.Hour), func(s *schedule.Schedule) {}, after(time.Hour)},
		"just decided elsewhere": {every(time.Second), func(s *schedule.Schedule) { s.Next = after(2 * time.Second) }, after(2 * time.Second)},
		"ran ahead of the clock": {
			every(time.Minute), func(s *schedule.Schedule) { s.Next, s.LastRunAt = after(time.Hour), after(59*time.Minute) }, after(time.Hour),
		},
		"ran days ahead of the clock": {
			every(time.Minute), func(s *schedule.Schedule) { s.Next, s.LastRunAt = after(48*time.Hour), after(48*time.Hour) }, after(time.Minute),
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := put(t, nil, spec(test.spec), created)
			if test.change != nil {
				test.change(s)
				s.Due = s.Next
			}
			before := *s
			got, err := schedule.Replan(s, created)
			if err != nil {
				t.Fatal(err)
			}
			wantNext(t, got, test.want)
			if got.Next.Equal(before.Next) != (got == s) || got.Revision != before.Revision {
				t.Errorf("it is another schedule: %t, revision %d", got != s, got.Revision)
			}
		})
	}
	s := put(t, nil, spec(every(time.Hour), func(s *schedule.Spec) { s.Jitter = task.Duration(time.Minute) }), created)
	if got, err := schedule.Replan(s, created); err != nil || got != s {
		t.Errorf("with jitter it has changed to %+v, %v", got, err)
	}
}
