package schedule_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// crons are expressions and what they mean, said in another way. Each has a tick in every two hours.
var crons = map[string]func(hour, minute, second int) bool{
	"* * * * * *":           func(_, _, _ int) bool { return true },
	"*/7 * * * * *":         func(_, _, s int) bool { return s%7 == 0 },
	"5,50-52 */2 * * * *":   func(_, m, s int) bool { return m%2 == 0 && (s == 5 || s >= 50 && s <= 52) },
	"* * * * *":             func(_, _, s int) bool { return s == 0 },
	"*/25 * * * *":          func(_, m, s int) bool { return m%25 == 0 && s == 0 },
	"30 59 1,3-23/2 * * ? ": func(h, m, s int) bool { return h%2 == 1 && m == 59 && s == 30 },
}

// model says what is to become of ticks by trying each instant.
type model struct {
	spec   schedule.Spec
	anchor time.Time
	// cursor is the instant up to which all ticks are decided. The next one is due at due at the earliest.
	cursor, due time.Time
	paused      bool
	counts
	open []string
}

// ticks yields the ticks from after the cursor until end.
func (m *model) ticks(end time.Time) func(yield func(time.Time) bool) {
	first, step, is := m.anchor, time.Duration(m.spec.Every), func(time.Time) bool { return true }
	if m.spec.Cron != "" {
		first, step = m.cursor.Truncate(time.Second), time.Second
		is = func(t time.Time) bool { return crons[m.spec.Cron](t.Clock()) }
	}
	return func(yield func(time.Time) bool) {
		for t := first; !t.After(end); t = t.Add(step) {
			outside := t.Before(m.spec.StartAt) || !m.spec.EndAt.IsZero() && t.After(m.spec.EndAt)
			if t.After(m.cursor) && !outside && is(t) && !yield(t) {
				return
			}
		}
	}
}

// dueOf is when a tick is due by its own jitter: as if it were the only one.
func (m *model) dueOf(t testing.TB, tick time.Time) time.Time {
	if m.spec.Jitter == 0 {
		return tick
	}
	return put(t, nil, spec(at(tick), jitter(time.Duration(m.spec.Jitter))), created).Due
}

func (m *model) over() bool { return m.paused || m.spec.MaxRuns > 0 && m.Runs >= m.spec.MaxRuns }

func (m *model) next(t testing.TB) (tick, due time.Time) {
	if m.over() {
		return time.Time{}, time.Time{}
	}
	for tick := range m.ticks(m.cursor.Add(5 * time.Hour)) {
		if due := m.dueOf(t, tick); due.After(m.due) {
			return tick, due
		}
		return tick, m.due
	}
	return time.Time{}, time.Time{}
}

// plan decides the ticks that are due at now and returns what became of it.
func (m *model) plan(t testing.TB, now time.Time) (runs []schedule.Run) {
	if m.over() {
		return nil
	}
	var timely []schedule.Run
	for tick := range m.ticks(now) {
		due := m.dueOf(t, tick)
		if m.due.After(due) {
			due = m.due
		}
		if due.After(now) {
			break
		}
		m.cursor, m.due = tick, due
		run := schedule.Run{Tick: tick, Outcome: schedule.Missed, Reason: schedule.ReasonGrace, Lateness: now.Sub(due)}
		if run.Lateness <= time.Duration(m.spec.MisfireGraceTime) {
			timely = append(timely, run)
		} else {
			runs = append(runs, run)
		}
	}
	most, reason := 1000, schedule.ReasonCatchUp
	if m.spec.Coalesce {
		most, reason = 1, schedule.ReasonCoalesced
	}
	tooMany := max(0, len(timely)-most)
	for _, run := range timely[:tooMany] {
		run.Reason = reason
		runs = append(runs, run)
	}
	m.Missed += int64(len(runs))
	runs = runs[max(0, len(runs)-200):]
	for _, run := range timely[tooMany:] {
		if m.over() {
			break
		}
		run.Outcome, run.Reason = schedule.Skipped, schedule.ReasonMaxInstances
		if m.spec.MaxInstances == 0 || len(m.open) < m.spec.MaxInstances {
			run.Outcome, run.Reason = schedule.Fired, ""
			run.FiredAt, run.TaskID = now, schedule.TickID("s1", run.Tick)
			m.start(run.TaskID)
			m.Runs++
		} else {
			m.Skipped++
		}
		runs = append(runs, run)
	}
	return runs
}

func (m *model) start(taskID string) {
	m.open = append(slices.Clone(m.open), taskID)
	m.open = m.open[max(0, len(m.open)-1000):]
}

// put takes another spec over.
func (m *model) put(t testing.TB, sp schedule.Spec, now time.Time) {
	oldTick, oldDue := m.next(t)
	was := m.paused
	rhythm := m.spec.Every == sp.Every && m.spec.StartAt.Equal(sp.StartAt)
	trigger := rhythm && m.spec.Cron == sp.Cron && m.spec.EndAt.Equal(sp.EndAt)
	m.spec, m.paused = sp, false
	if !rhythm {
		m.anchor = anchorOf(sp, now)
	}
	if trigger && !oldTick.IsZero() {
		m.keep(now, oldDue)
		return
	}
	if !was && !oldTick.IsZero() && !oldTick.After(now) {
		m.cursor = oldTick.Add(-time.Millisecond)
		for tick := range m.ticks(oldTick) {
			if tick.Equal(oldTick) {
				m.keep(now, oldDue)
				return
			}
		}
	}
	m.cursor, m.due = now, time.Time{}
}

// keep lets the next tick be no later than it was before a change.
func (m *model) keep(now, due time.Time) {
	if m.due = due; due.After(now) {
		m.due = now
	}
}

// planInParts plans until nothing is due, with so many tasks at a time.
func planInParts(t testing.TB, s *schedule.Schedule, now time.Time, size int) (runs []schedule.Run) {
	t.Helper()
	for first := true; first || !s.Next.IsZero() && !s.Due.After(now); first = false {
		left := size
		part, err := schedule.Plan(s, now, func(schedule.Run) (bool, error) {
			left--
			return left >= 0, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, part...)
	}
	return runs
}

func anchorOf(sp schedule.Spec, now time.Time) time.Time {
	if !sp.StartAt.IsZero() {
		return sp.StartAt
	}
	return now.Add(time.Duration(sp.Every))
}

func drawDuration(t *rapid.T, least, most time.Duration, name string) time.Duration {
	return time.Duration(rapid.Int64Range(least.Milliseconds(), most.Milliseconds()).Draw(t, name)) * time.Millisecond
}

func drawTrigger(t *rapid.T, sp *schedule.Spec, now time.Time) {
	sp.Cron, sp.Every, sp.StartAt, sp.EndAt = "", 0, time.Time{}, time.Time{}
	if rapid.Bool().Draw(t, "cron") {
		var names []string
		for name := range crons {
			names = append(names, name)
		}
		slices.Sort(names)
		sp.Cron = rapid.SampledFrom(names).Draw(t, "expression")
	} else {
		sp.Every = task.Duration(drawDuration(t, time.Second, 20*time.Minute, "every"))
	}
	if rapid.IntRange(0, 3).Draw(t, "has start") == 0 {
		sp.StartAt = now.Add(drawDuration(t, -time.Hour, time.Hour, "start"))
	}
	if rapid.IntRange(0, 5).Draw(t, "has end") == 0 {
		sp.EndAt = now.Add(drawDuration(t, time.Hour, 4*time.Hour, "end"))
	}
}

func drawRules(t *rapid.T, sp *schedule.Spec) {
	draw := func(name string, of ...time.Duration) task.Duration {
		return task.Duration(rapid.SampledFrom(of).Draw(t, name))
	}
	sp.MisfireGraceTime = draw("grace", time.Second, 10*time.Second, time.Minute, time.Hour)
	sp.Coalesce = rapid.Bool().Draw(t, "coalesce")
	sp.MaxInstances = rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "max_instances")
	sp.Jitter = draw("jitter", 0, 0, 700*time.Millisecond, 30*time.Second, time.Hour)
	sp.MaxRuns = rapid.SampledFrom([]int64{0, 0, 0, 5, 20}).Draw(t, "max_runs")
}

// TestLifeOfASchedule holds schedules against the model through beats, downtimes, changes and pauses: each tick that is
// due becomes exactly one of fired, missed and skipped, and always the one that the model says.
func TestLifeOfASchedule(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		now := after(drawDuration(r, 0, time.Hour, "creation"))
		sp := spec()
		drawTrigger(r, &sp, now)
		drawRules(r, &sp)
		s := put(t, nil, sp, now)
		m := &model{spec: sp, anchor: anchorOf(sp, now), cursor: now}
		last := time.Time{} // the last tick that was decided
		made := 0

		beat := func(at time.Time) {
			got, want := planInParts(t, s, at, rapid.IntRange(1, 5).Draw(r, "size of a part")), m.plan(t, at)
			if diff := cmp.Diff(want, got); diff != "" {
				r.Fatalf("at %s (-want +got):\n%s", at, diff)
			}
			for _, run := range got {
				if !run.Tick.After(last) || run.Tick.After(at) {
					r.Fatalf("the tick at %s was decided at %s, after that at %s", run.Tick, at, last)
				}
				last = run.Tick
			}
		}
		update := func(change func() (*schedule.Schedule, error)) {
			before := *s
			changed, err := change()
			if err != nil {
				r.Fatal(err)
			}
			if diff := cmp.Diff(&before, s); diff != "" {
				r.Fatalf("the old one (-before +after):\n%s", diff)
			}
			s = changed
		}
		r.Repeat(map[string]func(*rapid.T){
			"beat": func(r *rapid.T) {
				now = now.Add(drawDuration(r, 0, 10*time.Second, "pass"))
				beat(now)
			},
			"beat on time": func(*rapid.T) {
				if !s.Next.IsZero() && s.Due.After(now) {
					now = s.Due
				}
				beat(now)
			},
			"beat with a clock put back": func(r *rapid.T) {
				beat(now)
				beat(now.Add(-drawDuration(r, 0, time.Minute, "back")))
			},
			"downtime": func(r *rapid.T) {
				now = now.Add(drawDuration(r, 0, 90*time.Minute, "down"))
				beat(now)
			},
			"pass": func(r *rapid.T) { now = now.Add(drawDuration(r, 0, time.Minute, "pass")) },
			"end": func(r *rapid.T) {
				if len(m.open) == 0 {
					return
				}
				i := rapid.IntRange(0, len(m.open)-1).Draw(r, "task")
				if !s.Ended(m.open[i], rapid.SampledFrom(task.States[4:]).Draw(r, "state"), now) {
					r.Fatalf("the end of %s is no news", m.open[i])
				}
				m.open = slices.Delete(slices.Clone(m.open), i, i+1)
			},
			"pause": func(*rapid.T) {
				update(func() (*schedule.Schedule, error) { return schedule.Pause(s, schedule.PausedByUser, now), nil })
				m.paused = true
			},
			"resume": func(*rapid.T) {
				update(func() (*schedule.Schedule, error) { return schedule.Resume(s, now) })
				if m.paused {
					m.paused, m.cursor, m.due = false, now, time.Time{}
				}
			},
			"trigger": func(*rapid.T) {
				made++
				id := "triggered-" + strconv.Itoa(made)
				update(func() (*schedule.Schedule, error) {
					next, _ := schedule.Trigger(s, id, now)
					return next, nil
				})
				m.start(id)
			},
			"put other rules": func(r *rapid.T) {
				drawRules(r, &sp)
				update(func() (*schedule.Schedule, error) { return put(t, s, sp, now), nil })
				m.put(t, sp, now)
			},
			"put another trigger": func(r *rapid.T) {
				drawTrigger(r, &sp, now)
				update(func() (*schedule.Schedule, error) { return put(t, s, sp, now), nil })
				m.put(t, sp, now)
			},
			"": func(r *rapid.T) {
				if diff := cmp.Diff(m.counts, counts{s.Runs, s.Missed, s.Skipped}); diff != "" {
					r.Fatalf("counters (-want +got):\n%s", diff)
				}
				if !slices.Equal(m.open, s.Unfinished) || s.Paused != m.paused {
					r.Fatalf("paused %t, unfinished %q; want %t, %q", s.Paused, s.Unfinished, m.paused, m.open)
				}
				if tick, due := m.next(t); !s.Next.Equal(tick) || !s.Due.Equal(due) {
					r.Fatalf("the next tick is %s, due %s; want %s, %s", s.Next, s.Due, tick, due)
				}
			},
		})
	})
}

// TestWhenBeatLooksMakesNoDifference: two beats that look at different times, and never too late, make the same tasks.
func TestWhenBeatLooksMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		sp := spec(each, grace(time.Minute), instances(0))
		drawTrigger(r, &sp, created)
		sp.Jitter = task.Duration(rapid.SampledFrom([]time.Duration{0, 500 * time.Millisecond, time.Minute}).Draw(r, "jitter"))
		end := after(30 * time.Minute)
		fired := func(look func(s *schedule.Schedule, now time.Time) time.Time) (ids []string, s *schedule.Schedule) {
			s = put(t, nil, sp, created)
			for now := created; now.Before(end); {
				if now = look(s, now); now.After(end) {
					now = end
				}
				for _, run := range plan(t, s, now) {
					if run.Outcome != schedule.Fired || run.Lateness < 0 {
						r.Fatalf("%+v", run)
					}
					ids = append(ids, run.TaskID)
				}
			}
			return ids, s
		}
		punctual, one := fired(func(s *schedule.Schedule, _ time.Time) time.Time {
			if s.Next.IsZero() {
				return end
			}
			return s.Due
		})
		fitful, two := fired(func(_ *schedule.Schedule, now time.Time) time.Time {
			return now.Add(drawDuration(r, time.Millisecond, time.Minute, "look after"))
		})
		if diff := cmp.Diff(punctual, fitful); diff != "" {
			r.Fatalf("tasks (-punctual +fitful):\n%s", diff)
		}
		one.LastRunAt = two.LastRunAt
		if diff := cmp.Diff(one, two); diff != "" {
			r.Fatalf("state (-punctual +fitful):\n%s", diff)
		}
	})
}
