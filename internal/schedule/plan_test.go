package schedule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

func TestPlan(t *testing.T) {
	const second = time.Second
	tests := map[string]struct {
		spec schedule.Spec
		open []string // tasks that are unfinished before
		now  time.Time
		runs string
		next time.Time
		is   counts
	}{
		"early": {
			spec: spec(every(10 * second)), now: after(10*second - time.Millisecond), next: after(10 * second),
		},
		"on time": {
			spec: spec(every(10 * second)), now: after(10 * second),
			runs: "fired 10:00:10", next: after(20 * second), is: counts{Runs: 1},
		},
		"late, within the grace time": {
			spec: spec(every(time.Hour)), now: after(time.Hour + 59*second),
			runs: "fired 11:00:00", next: after(2 * time.Hour), is: counts{Runs: 1},
		},
		"late by the grace time exactly": {
			spec: spec(every(time.Hour)), now: after(time.Hour + time.Minute),
			runs: "fired 11:00:00", next: after(2 * time.Hour), is: counts{Runs: 1},
		},
		"late by a millisecond more": {
			spec: spec(every(time.Hour)), now: after(time.Hour + time.Minute + time.Millisecond),
			runs: "missed 11:00:00", next: after(2 * time.Hour), is: counts{Missed: 1},
		},
		"coalesced": {
			spec: spec(every(10 * second)), now: after(35 * second),
			runs: "missed 10:00:10 missed 10:00:20 fired 10:00:30", next: after(40 * second), is: counts{Runs: 1, Missed: 2},
		},
		"not coalesced": {
			spec: spec(every(10*second), each), now: after(35 * second),
			runs: "fired 10:00:10 fired 10:00:20 fired 10:00:30", next: after(40 * second), is: counts{Runs: 3},
		},
		"not coalesced, some beyond the grace time": {
			spec: spec(every(10*second), each, grace(15*second)), now: after(35 * second),
			runs: "missed 10:00:10 fired 10:00:20 fired 10:00:30", next: after(40 * second), is: counts{Runs: 2, Missed: 1},
		},
		"all beyond the grace time": {
			spec: spec(every(10*second), grace(4*second)), now: after(25 * second),
			runs: "missed 10:00:10 missed 10:00:20", next: after(30 * second), is: counts{Missed: 2},
		},
		"another is unfinished": {
			spec: spec(every(10 * second)), open: []string{"a"}, now: after(10 * second),
			runs: "skipped 10:00:10", next: after(20 * second), is: counts{Skipped: 1},
		},
		"fewer than max_instances are unfinished": {
			spec: spec(every(10*second), instances(3)), open: []string{"a", "b"}, now: after(10 * second),
			runs: "fired 10:00:10", next: after(20 * second), is: counts{Runs: 1},
		},
		"as many as max_instances are unfinished": {
			spec: spec(every(10*second), instances(3)), open: []string{"a", "b", "c"}, now: after(10 * second),
			runs: "skipped 10:00:10", next: after(20 * second), is: counts{Skipped: 1},
		},
		"any number may be unfinished": {
			spec: spec(every(10*second), instances(0)), open: []string{"a", "b", "c"}, now: after(10 * second),
			runs: "fired 10:00:10", next: after(20 * second), is: counts{Runs: 1},
		},
		"due ticks fill max_instances": {
			spec: spec(every(10*second), each, instances(2)), open: []string{"a"}, now: after(35 * second),
			runs: "fired 10:00:10 skipped 10:00:20 skipped 10:00:30", next: after(40 * second), is: counts{Runs: 1, Skipped: 2},
		},
		"coalesced ticks are missed though the newest is skipped": {
			spec: spec(every(10 * second)), open: []string{"a"}, now: after(25 * second),
			runs: "missed 10:00:10 skipped 10:00:20", next: after(30 * second), is: counts{Missed: 1, Skipped: 1},
		},
		"max_runs in the middle": {
			spec: spec(every(10*second), each, maxRuns(2)), now: after(35 * second),
			runs: "fired 10:00:10 fired 10:00:20", is: counts{Runs: 2},
		},
		"a skipped tick is no run": {
			spec: spec(every(10*second), maxRuns(1)), open: []string{"a"}, now: after(10 * second),
			runs: "skipped 10:00:10", next: after(20 * second), is: counts{Skipped: 1},
		},
		"end_at is a tick": {
			spec: spec(every(10*second), each, endAt(after(20*second))), now: after(35 * second),
			runs: "fired 10:00:10 fired 10:00:20", is: counts{Runs: 2},
		},
		"end_at is before a tick": {
			spec: spec(every(10*second), each, endAt(after(20*second-time.Millisecond))), now: after(35 * second),
			runs: "fired 10:00:10", is: counts{Runs: 1},
		},
		"start_at is a tick of every": {
			spec: spec(every(10*second), each, startAt(after(5*second))), now: after(16 * second),
			runs: "fired 10:00:05 fired 10:00:15", next: after(25 * second), is: counts{Runs: 2},
		},
		"start_at is a tick of cron": {
			spec: spec(cronIn("*/5 * * * * *", ""), each, startAt(after(10*second))), now: after(16 * second),
			runs: "fired 10:00:10 fired 10:00:15", next: after(20 * second), is: counts{Runs: 2},
		},
		"start_at is after a tick of cron": {
			spec: spec(cronIn("*/5 * * * * *", ""), each, startAt(after(10*second+time.Millisecond))), now: after(16 * second),
			runs: "fired 10:00:15", next: after(20 * second), is: counts{Runs: 1},
		},
		"at, to come": {
			spec: spec(at(after(time.Hour))), now: after(time.Minute), next: after(time.Hour),
		},
		"at, once": {
			spec: spec(at(after(time.Hour))), now: after(time.Hour), runs: "fired 11:00:00", is: counts{Runs: 1},
		},
		"at, in the past": {
			spec: spec(at(after(-time.Minute))), now: created, runs: "fired 09:59:00", is: counts{Runs: 1},
		},
		"at, too far in the past": {
			spec: spec(at(after(-time.Minute - time.Millisecond))), now: created,
			runs: "missed 09:58:59.999", is: counts{Missed: 1},
		},
		"at, before start_at": {
			spec: spec(at(after(time.Hour)), startAt(after(2*time.Hour))), now: after(3 * time.Hour),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := put(t, nil, test.spec, created)
			for _, id := range test.open {
				s, _ = schedule.Trigger(s, id, created)
			}
			runs := plan(t, s, test.now)
			wantRuns(t, runs, test.runs)
			wantNext(t, s, test.next)
			wantCounts(t, s, test.is)
			wantRuns(t, plan(t, s, test.now), "") // what is decided is decided
		})
	}
}

func TestPlanTellsWhatBecameOfATick(t *testing.T) {
	s := put(t, nil, spec(every(10*time.Second), func(s *schedule.Spec) { s.Coalesce = false }), created)
	now := after(25 * time.Second)
	want := []schedule.Run{
		{
			Tick: after(10 * time.Second), FiredAt: now, Lateness: 15 * time.Second, TaskID: "s1@20261121T100010Z",
			Outcome: schedule.Fired,
		},
		{Tick: after(20 * time.Second), Lateness: 5 * time.Second, Outcome: schedule.Skipped, Reason: schedule.ReasonMaxInstances},
	}
	if diff := cmp.Diff(want, plan(t, s, now)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !s.LastRunAt.Equal(now) || s.LastTaskID != "s1@20261121T100010Z" || s.LastState != "" {
		t.Errorf("the last run is %s at %s, %q", s.LastTaskID, s.LastRunAt, s.LastState)
	}
	if diff := cmp.Diff([]string{"s1@20261121T100010Z"}, s.Unfinished); diff != "" {
		t.Errorf("unfinished (-want +got):\n%s", diff)
	}
}

func TestAtMostAThousandOwedTicksRun(t *testing.T) {
	s := put(t, nil, spec(every(time.Second), each, grace(time.Hour)), created)
	runs := plan(t, s, after(1500*time.Second))
	wantCounts(t, s, counts{Runs: 1000, Missed: 500})
	wantNext(t, s, after(1501*time.Second))
	// The history holds no more, so older ones need not be told.
	if len(runs) != schedule.RunsKept+1000 {
		t.Fatalf("it told %d runs", len(runs))
	}
	for i, run := range runs {
		outcome := schedule.Missed
		if i >= schedule.RunsKept {
			outcome = schedule.Fired
		}
		if want := after(time.Duration(301+i) * time.Second); !run.Tick.Equal(want) || run.Outcome != outcome {
			t.Fatalf("run %d: %s %s, want %s %s", i, run.Outcome, run.Tick, outcome, want)
		}
	}
	if len(s.Unfinished) != 1000 {
		t.Errorf("%d tasks are watched", len(s.Unfinished))
	}
}

// What is watched is bounded where the tasks are not: nobody may ever work them off.
func TestWatchedTasksAreBounded(t *testing.T) {
	s := put(t, nil, spec(every(time.Second), instances(0)), created)
	for i := range schedule.MaxInstancesLimit + 50 {
		plan(t, s, after(time.Duration(i+1)*time.Second))
	}
	if n := len(s.Unfinished); n != schedule.MaxInstancesLimit || s.Unfinished[n-1] != s.LastTaskID {
		t.Errorf("%d tasks are watched, the newest %s", n, s.Unfinished[n-1])
	}
}

func TestPlanAfterALongDowntime(t *testing.T) {
	const hour, month = time.Hour, 30 * 24 * time.Hour
	tests := map[string]struct {
		spec schedule.Spec
		down time.Duration
		is   counts
	}{
		"every second, an hour":          {spec(every(time.Second)), hour, counts{Runs: 1, Missed: 3599}},
		"cron of every second, an hour":  {spec(cronIn("* * * * * *", "Europe/Berlin")), hour, counts{Runs: 1, Missed: 3599}},
		"each second of the last minute": {spec(every(time.Second), each), hour, counts{Runs: 61, Missed: 3539}},
		// 100,000 ticks are counted, and those of the grace time.
		"every second, a month": {spec(every(time.Second)), month, counts{Runs: 1, Missed: 100_060}},
		"cron of every second, a month": {
			spec(cronIn("* * * * * *", "Europe/Berlin")), month, counts{Runs: 1, Missed: 100_060},
		},
		"every minute, a month, is counted in full": {spec(every(time.Minute)), month, counts{Runs: 1, Missed: 43_199}},
		"every 20 s, a month, is more than is counted": {
			spec(every(20 * time.Second)), month, counts{Runs: 1, Missed: 100_003},
		},
		"ended meanwhile": {
			spec(every(time.Second), endAt(after(48*time.Hour))), month, counts{Missed: 100_000},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := put(t, nil, test.spec, created)
			runs := plan(t, s, after(test.down))
			wantCounts(t, s, test.is)
			if len(runs) > schedule.RunsKept+1000 {
				t.Errorf("it told %d runs", len(runs))
			}
			if test.spec.EndAt.IsZero() && !s.Next.After(after(test.down)) {
				t.Errorf("the next tick is %s", s.Next)
			}
		})
	}
}

// Jitter may put ticks off into the grace time that are older than it.
func TestPlanAfterALongDowntimeWithJitter(t *testing.T) {
	s := put(t, nil, spec(every(time.Second), each, grace(time.Second), jitter(24*time.Hour)), created)
	now := after(30 * 24 * time.Hour)
	plan(t, s, now)
	if s.Next.After(now.Add(-20*time.Hour)) || !s.Due.After(now) {
		t.Errorf("the next tick is %s, due %s", s.Next, s.Due)
	}
}

// tickUntil plans at each tick, as an idle beat does, and returns the ticks that ran.
func tickUntil(t *testing.T, s *schedule.Schedule, end time.Time) (ticks []time.Time) {
	t.Helper()
	for !s.Next.IsZero() && !s.Due.After(end) {
		for _, run := range plan(t, s, s.Due) {
			if run.Outcome == schedule.Fired {
				ticks = append(ticks, run.Tick)
			}
		}
	}
	return ticks
}

func TestCronOnTheDaysTheClocksChange(t *testing.T) {
	tests := map[string]struct{ cron, from, until, ticks string }{
		"spring, at 02:30, which is not": {
			"30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z",
		},
		"spring, each half hour": {
			"*/30 * * * *", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z",
			"2026-03-29T00:30:00Z 2026-03-29T01:00:00Z 2026-03-29T01:30:00Z 2026-03-29T02:00:00Z",
		},
		"autumn, at 02:30, which is twice": {
			"30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z",
		},
		"autumn, each half hour": {
			"*/30 * * * *", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z",
			"2026-10-25T00:30:00Z 2026-10-25T01:00:00Z 2026-10-25T01:30:00Z 2026-10-25T02:00:00Z",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := put(t, nil, spec(cronIn(test.cron, "Europe/Berlin"), instances(0)), clock(t, test.from))
			var got []string
			for _, tick := range tickUntil(t, s, clock(t, test.until)) {
				got = append(got, tick.UTC().Format(time.RFC3339))
			}
			if strings.Join(got, " ") != test.ticks {
				t.Errorf("got  %s\nwant %s", strings.Join(got, " "), test.ticks)
			}
		})
	}
}

func TestEveryNeverDrifts(t *testing.T) {
	made := after(123 * time.Millisecond)
	s := put(t, nil, spec(every(90*time.Second)), made)
	wantNext(t, s, made.Add(90*time.Second))
	plan(t, s, s.Due.Add(777*time.Millisecond)) // found late
	wantNext(t, s, made.Add(180*time.Second))
	plan(t, s, made.Add(time.Hour+7*time.Second)) // down for an hour
	wantNext(t, s, made.Add(time.Hour+90*time.Second))
	s = put(t, s, spec(every(90*time.Second), grace(time.Hour)), made.Add(time.Hour+8*time.Second))
	wantNext(t, s, made.Add(time.Hour+90*time.Second))
}

func TestEveryGoesOnForCenturies(t *testing.T) {
	s := put(t, nil, spec(every(time.Hour), startAt(time.Date(1970, 1, 1, 0, 30, 0, 0, time.UTC))),
		time.Date(2600, 1, 1, 0, 0, 0, 0, time.UTC))
	wantNext(t, s, time.Date(2600, 1, 1, 0, 30, 0, 0, time.UTC))
}

func TestJitterIsStableAndBounded(t *testing.T) {
	const most = 10 * time.Second
	puts := make(map[time.Duration]int)
	for i := range 2000 {
		tick := after(time.Duration(i) * time.Minute)
		s := put(t, nil, spec(at(tick), jitter(most)), created)
		off := s.Due.Sub(tick)
		if off < 0 || off > most || off%time.Millisecond != 0 {
			t.Fatalf("the tick at %s is put off by %s", tick, off)
		}
		if again := put(t, nil, spec(at(tick), jitter(most)), after(time.Hour)); !again.Due.Equal(s.Due) {
			t.Fatalf("the tick at %s is due %s and %s", tick, s.Due, again.Due)
		}
		puts[off/time.Second]++
	}
	for second := range most / time.Second {
		if n := puts[second]; n < 100 || n > 300 {
			t.Errorf("%d of 2000 ticks are put off by %d s and so many ms: they are not spread", n, second)
		}
	}
}

func TestJitterOfAMillisecondAndLess(t *testing.T) {
	puts := make(map[time.Duration]bool)
	for i := range 100 {
		tick := after(time.Duration(i) * time.Minute)
		puts[put(t, nil, spec(at(tick), jitter(time.Millisecond)), created).Due.Sub(tick)] = true
		if s := put(t, nil, spec(at(tick), jitter(time.Microsecond)), created); !s.Due.Equal(tick) {
			t.Fatalf("the tick at %s is due %s", tick, s.Due)
		}
	}
	if diff := cmp.Diff(map[time.Duration]bool{0: true, time.Millisecond: true}, puts); diff != "" {
		t.Errorf("put off by (-want +got):\n%s", diff)
	}
}

func TestJitterDiffersBetweenSchedules(t *testing.T) {
	dues := make(map[time.Time]bool)
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		s, err := schedule.Put(nil, id, spec(at(after(time.Hour)), jitter(time.Hour)), false, schedule.OriginAPI, created)
		if err != nil {
			t.Fatal(err)
		}
		dues[s.Due] = true
	}
	if len(dues) < 8 {
		t.Errorf("8 schedules are due at %d times", len(dues))
	}
}

func TestJitteredTickRunsWhenItIsDue(t *testing.T) {
	s := put(t, nil, spec(every(time.Hour), jitter(10*time.Minute), grace(time.Second)), created)
	due := s.Due
	wantRuns(t, plan(t, s, due.Add(-time.Millisecond)), "")
	runs := plan(t, s, due.Add(time.Second)) // the grace time is counted from when it is due
	wantRuns(t, runs, "fired 11:00:00")
	if len(runs) == 1 && runs[0].Lateness != time.Second {
		t.Errorf("it is %s late", runs[0].Lateness)
	}
	if !s.Next.Equal(after(2*time.Hour)) || s.Due.Before(s.Next) {
		t.Errorf("the next tick is %s, due %s", s.Next, s.Due)
	}
}

// A tick that is put off by more than the next one holds that up, and does not make it late.
func TestJitterLongerThanTheInterval(t *testing.T) {
	s := put(t, nil, spec(every(time.Second), jitter(10*time.Minute), each, grace(time.Second)), created)
	end := after(time.Hour)
	last := created
	for !s.Due.After(end) {
		for _, run := range plan(t, s, s.Due) {
			if run.Outcome != schedule.Fired || run.Lateness != 0 || run.FiredAt.Before(run.Tick) {
				t.Fatalf("%+v", run)
			}
			if want := last.Add(time.Second); !run.Tick.Equal(want) {
				t.Fatalf("the tick at %s ran, and is to come after %s", run.Tick, want)
			}
			last = run.Tick
		}
	}
	if last.Before(end.Add(-10 * time.Minute)) {
		t.Errorf("the last tick that ran is %s", last)
	}
	wantCounts(t, s, counts{Runs: int64(last.Sub(created) / time.Second)})
}

func TestPlanIsPure(t *testing.T) {
	open := []string{"a", "b", "c", "spare"}[:3]
	base := put(t, nil, spec(every(time.Second), each, jitter(3*time.Second)), created)
	base.Unfinished = open
	now := after(20 * time.Second)
	first, second := *base, *base
	runs := plan(t, &first, now)
	if len(runs) < 10 {
		t.Fatalf("it told only %q", told(runs))
	}
	if diff := cmp.Diff(runs, plan(t, &second, now)); diff != "" {
		t.Errorf("the second time it told (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("state (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "spare"}, open[:4]); diff != "" {
		t.Errorf("the slice it was given (-before +after):\n%s", diff)
	}
	ended := first
	before := append([]string(nil), first.Unfinished...)
	ended.Ended("a", task.Succeeded, now)
	if diff := cmp.Diff(before, first.Unfinished); diff != "" {
		t.Errorf("Ended wrote into another's slice (-before +after):\n%s", diff)
	}
}

func TestPlanOfWhatCannotBeUnderstood(t *testing.T) {
	for name, sp := range map[string]schedule.Spec{
		"no trigger":  spec(),
		"a bad cron":  spec(cronIn("61 * * * *", "")),
		"a lost zone": spec(cronIn("* * * * *", "Mars/Olympus")),
	} {
		s := &schedule.Schedule{ID: "s1", Spec: sp, State: schedule.State{Next: created, Due: created}}
		if runs, err := schedule.Plan(s, after(time.Second), nil); err == nil || runs != nil {
			t.Errorf("%s: got %v, %v", name, runs, err)
		}
	}
}

func TestJustMade(t *testing.T) {
	s := put(t, nil, spec(every(time.Minute)), created)
	plan(t, s, after(time.Minute))
	id := s.LastTaskID
	for now, want := range map[time.Duration]bool{
		time.Minute: true, time.Minute + 9*time.Second: true, time.Minute + 10*time.Second: false,
	} {
		if got := s.JustMade(id, after(now)); got != want {
			t.Errorf("after %s: %t", now, got)
		}
	}
	if s.JustMade("other", after(time.Minute)) {
		t.Error("another task was just made")
	}
}
