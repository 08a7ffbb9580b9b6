package schedule_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

func TestPutMakesASchedule(t *testing.T) {
	sp := spec(every(10 * time.Second))
	s, err := schedule.Put(nil, "s1", sp, false, schedule.OriginConfig, created)
	if err != nil {
		t.Fatal(err)
	}
	next := after(10 * time.Second)
	want := &schedule.Schedule{
		ID: "s1", Spec: sp, Origin: schedule.OriginConfig, CreatedAt: created, UpdatedAt: created,
		State: schedule.State{Revision: 1, Anchor: next, Next: next, Due: next},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPutReplacesAllButWhatTheScheduleHasDone(t *testing.T) {
	old := put(t, nil, spec(every(10*time.Second), instances(2)), created)
	plan(t, old, after(35*time.Second))
	before := *old
	sp := spec(cronIn("0 12 * * *", ""))
	sp.Task.Type = "test.quiet"
	now := after(36 * time.Second)
	want := before
	want.Spec, want.UpdatedAt = sp, now
	want.Revision, want.Anchor = 2, time.Time{}
	want.Next = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	want.Due = want.Next
	if diff := cmp.Diff(&want, put(t, old, sp, now)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&before, old); diff != "" {
		t.Errorf("it changed the old one (-before +after):\n%s", diff)
	}
}

func TestPutOfWhatCouldNotBeRead(t *testing.T) {
	broken := &schedule.Schedule{ID: "s1", State: schedule.State{Revision: 4, Paused: true, PausedReason: schedule.PausedInvalid}}
	s := put(t, broken, spec(every(10*time.Second)), created)
	if s.Paused || s.PausedReason != "" || s.Revision != 5 || !s.CreatedAt.Equal(created) {
		t.Errorf("got %+v", s)
	}
	wantNext(t, s, after(10*time.Second))
}

// What a change does to the next tick. The old schedule is of every 10 s and was made at 10:00:00.
func TestPutMovesTheNextTick(t *testing.T) {
	tenth := every(10 * time.Second)
	tests := map[string]struct {
		old  schedule.Spec
		spec schedule.Spec
		at   time.Duration // of the change
		next time.Duration // 0 for none
	}{
		"the same": {spec(tenth), spec(tenth), 4 * time.Second, 10 * time.Second},
		"another task": {
			spec(tenth), spec(tenth, func(s *schedule.Spec) { s.Task.Type = "test.quiet" }), 4 * time.Second, 10 * time.Second,
		},
		"other rules":          {spec(tenth), spec(tenth, each, grace(time.Hour)), 4 * time.Second, 10 * time.Second},
		"the same, a tick due": {spec(tenth), spec(tenth), 10 * time.Second, 10 * time.Second},
		"the same, many due":   {spec(tenth), spec(tenth), 47 * time.Second, 10 * time.Second},
		"another interval":     {spec(tenth), spec(every(7 * time.Second)), 4 * time.Second, 11 * time.Second},
		"another start_at": {
			spec(tenth), spec(tenth, startAt(after(13*time.Second))), 4 * time.Second, 13 * time.Second,
		},
		"an end_at keeps the rhythm": {spec(tenth), spec(tenth, endAt(after(time.Hour))), 4 * time.Second, 10 * time.Second},
		"an end_at before the next":  {spec(tenth), spec(tenth, endAt(after(9*time.Second))), 4 * time.Second, 0},
		"a timezone keeps the rhythm": {
			spec(tenth), spec(tenth, func(s *schedule.Spec) { s.Timezone = "Asia/Shanghai" }), 4 * time.Second, 10 * time.Second,
		},
		"cron for every": {spec(tenth), spec(cronIn("*/3 * * * * *", "")), 4 * time.Second, 6 * time.Second},
		"cron for every, which has the due tick too": {
			spec(tenth), spec(cronIn("*/5 * * * * *", "")), 10 * time.Second, 10 * time.Second,
		},
		"cron for every, which has the due tick too, later": {
			spec(tenth), spec(cronIn("*/5 * * * * *", "")), 12 * time.Second, 10 * time.Second,
		},
		"cron for every, which does not have the due tick": {
			spec(tenth), spec(cronIn("*/3 * * * * *", "")), 10 * time.Second, 12 * time.Second,
		},
		"cron, another zone": {
			spec(cronIn("0 18 * * *", "Asia/Shanghai")), spec(cronIn("0 12 * * *", "Europe/Berlin")), time.Second, time.Hour,
		},
		"cron, day_match spelled out": {
			spec(cronIn("*/3 * * * * *", "")),
			spec(cronIn("*/3 * * * * *", ""), func(s *schedule.Spec) { s.DayMatch = "or" }), 4 * time.Second, 3 * time.Second,
		},
		"at for every, to come":           {spec(tenth), spec(at(after(time.Hour))), 4 * time.Second, time.Hour},
		"at for every, in the past":       {spec(tenth), spec(at(after(3 * time.Second))), 4 * time.Second, 3 * time.Second},
		"at, the same, due":               {spec(at(after(time.Hour))), spec(at(after(time.Hour))), time.Hour, time.Hour},
		"at, put off":                     {spec(at(after(time.Hour))), spec(at(after(2 * time.Hour))), time.Minute, 2 * time.Hour},
		"max_runs not reached":            {spec(tenth), spec(tenth, maxRuns(1)), 4 * time.Second, 10 * time.Second},
		"a jitter of nothing, as it was":  {spec(tenth), spec(tenth, jitter(0)), 4 * time.Second, 10 * time.Second},
		"a change at the end":             {spec(tenth, endAt(after(10*time.Second))), spec(tenth), 4 * time.Second, 10 * time.Second},
		"a change at the end, a tick due": {spec(tenth, endAt(after(10*time.Second))), spec(tenth), 11 * time.Second, 10 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var next time.Time
			if test.next != 0 {
				next = after(test.next)
			}
			wantNext(t, put(t, put(t, nil, test.old, created), test.spec, after(test.at)), next)
		})
	}
}

// The same, with a schedule whose first tick has run.
func TestPutAfterARun(t *testing.T) {
	tenth := every(10 * time.Second)
	tests := map[string]struct {
		old, spec schedule.Spec
		next      time.Duration
	}{
		"max_runs reached by the change":        {spec(tenth), spec(tenth, maxRuns(1)), 0},
		"max_runs and the trigger changed":      {spec(tenth), spec(every(time.Second), maxRuns(1)), 0},
		"max_runs raised after the end":         {spec(tenth, maxRuns(1)), spec(tenth, maxRuns(2)), 20 * time.Second},
		"end_at put off after the end":          {spec(tenth, endAt(after(11*time.Second))), spec(tenth), 20 * time.Second},
		"at again, as it was":                   {spec(at(after(10 * time.Second))), spec(at(after(10 * time.Second))), 0},
		"at again, with a longer grace time":    {spec(at(after(10 * time.Second))), spec(at(after(10*time.Second)), grace(time.Hour)), 0},
		"at another time, to come":              {spec(at(after(10 * time.Second))), spec(at(after(time.Hour))), time.Hour},
		"at another time, which was before it":  {spec(at(after(10 * time.Second))), spec(at(after(9 * time.Second))), 0},
		"at another time, which has passed":     {spec(at(after(10 * time.Second))), spec(at(after(11 * time.Second))), 11 * time.Second},
		"cron that has the very tick":           {spec(tenth), spec(cronIn("*/10 * * * * *", "")), 20 * time.Second},
		"every, from the tick that has run":     {spec(tenth), spec(tenth, startAt(after(10*time.Second))), 20 * time.Second},
		"at, the very tick that every has made": {spec(tenth), spec(at(after(10 * time.Second))), 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := put(t, nil, test.old, created)
			wantRuns(t, plan(t, s, after(10*time.Second)), "fired 10:00:10")
			var next time.Time
			if test.next != 0 {
				next = after(test.next)
			}
			wantNext(t, put(t, s, test.spec, after(12*time.Second)), next)
		})
	}
}

// The clock of a new Redis may be behind. What is decided stays so.
func TestPutWithTheClockPutBack(t *testing.T) {
	s := put(t, nil, spec(every(10*time.Second)), created)
	plan(t, s, after(30*time.Second))
	s = put(t, s, spec(every(10*time.Second), grace(time.Hour)), after(5*time.Second))
	wantNext(t, s, after(40*time.Second))
}

func TestPutOfAnotherJitter(t *testing.T) {
	hourly := every(time.Hour)
	plain := put(t, nil, spec(hourly), created)
	put1 := put(t, plain, spec(hourly, jitter(50*time.Minute)), after(time.Minute))
	if !put1.Next.Equal(plain.Next) || !put1.Due.After(plain.Due) {
		t.Fatalf("with jitter the tick at %s is due %s", put1.Next, put1.Due)
	}
	back := put(t, put1, spec(hourly), after(2*time.Minute))
	wantNext(t, back, after(time.Hour))
	// When its time has come by the new jitter and not by the old, it is due now; not late since an hour.
	now := after(time.Hour + 5*time.Second)
	if !put1.Due.After(now) {
		t.Fatalf("the tick at %s is due %s", put1.Next, put1.Due)
	}
	changed := put(t, put1, spec(hourly, grace(time.Second)), now)
	runs := plan(t, changed, now)
	wantRuns(t, runs, "fired 11:00:00")
	if len(runs) == 1 && runs[0].Lateness != 0 {
		t.Errorf("it is %s late", runs[0].Lateness)
	}
	// What was late stays as late as it was.
	late := put(t, put(t, nil, spec(hourly), created), spec(hourly, each), after(time.Hour+time.Minute))
	if runs := plan(t, late, after(time.Hour+time.Minute)); len(runs) != 1 || runs[0].Lateness != time.Minute {
		t.Errorf("told %+v", runs)
	}
}

func TestPutPaused(t *testing.T) {
	sp := spec(every(10 * time.Second))
	s := putPaused(t, nil, sp, true, created)
	if !s.Paused || s.PausedReason != schedule.PausedByUser {
		t.Errorf("paused %t, because of %q", s.Paused, s.PausedReason)
	}
	wantNext(t, s, time.Time{})
	wantRuns(t, plan(t, s, after(time.Hour)), "")

	s.FailureStreak = 4
	s = putPaused(t, s, sp, true, after(time.Hour))
	wantNext(t, s, time.Time{})
	s = put(t, s, sp, after(time.Hour+time.Second))
	if s.Paused || s.PausedReason != "" || s.FailureStreak != 0 {
		t.Errorf("resumed by a PUT: paused %t, because of %q, after %d failures", s.Paused, s.PausedReason, s.FailureStreak)
	}
	wantNext(t, s, after(time.Hour+10*time.Second)) // in the rhythm of its creation

	s.FailureStreak = 4
	if s = put(t, s, sp, after(time.Hour+2*time.Second)); s.FailureStreak != 4 {
		t.Errorf("a PUT that resumes nothing leaves %d failures of 4", s.FailureStreak)
	}
}

func TestPutDoesNotResumeWhatWasMissed(t *testing.T) {
	sp := spec(at(after(time.Minute)))
	s := putPaused(t, nil, sp, true, created)
	s = put(t, s, sp, after(time.Minute+time.Second))
	wantNext(t, s, time.Time{})
	wantCounts(t, s, counts{})
}

func TestPauseAndResume(t *testing.T) {
	tests := map[string]struct {
		spec         schedule.Spec
		pause, until time.Duration
		next         time.Duration
	}{
		"every":                 {spec(every(10 * time.Second)), 15 * time.Second, 47 * time.Second, 50 * time.Second},
		"at a tick":             {spec(every(10 * time.Second)), 15 * time.Second, 40 * time.Second, 50 * time.Second},
		"just before a tick":    {spec(every(10 * time.Second)), 15 * time.Second, 40*time.Second - time.Millisecond, 40 * time.Second},
		"with a tick due":       {spec(every(10 * time.Second)), 10 * time.Second, 10 * time.Second, 20 * time.Second},
		"cron":                  {spec(cronIn("*/20 * * * * *", "")), time.Second, 47 * time.Second, time.Minute},
		"at, to come":           {spec(at(after(time.Hour))), time.Second, time.Minute, time.Hour},
		"at, missed":            {spec(at(after(time.Hour))), time.Second, time.Hour + time.Second, 0},
		"ended while paused":    {spec(every(10*time.Second), endAt(after(30*time.Second))), 15 * time.Second, 47 * time.Second, 0},
		"not started even then": {spec(every(10*time.Second), startAt(after(time.Hour))), 15 * time.Second, 47 * time.Second, time.Hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			old := put(t, nil, test.spec, created)
			old.FailureStreak = 3
			before := *old
			paused := schedule.Pause(old, schedule.PausedByUser, after(test.pause))
			want := before
			want.Paused, want.PausedReason, want.Revision, want.UpdatedAt = true, schedule.PausedByUser, 2, after(test.pause)
			want.Next, want.Due = time.Time{}, time.Time{}
			if diff := cmp.Diff(&want, paused); diff != "" {
				t.Errorf("paused (-want +got):\n%s", diff)
			}
			wantRuns(t, plan(t, paused, after(test.until)), "")

			resumed, err := schedule.Resume(paused, after(test.until))
			if err != nil {
				t.Fatal(err)
			}
			want.Paused, want.PausedReason, want.Revision, want.UpdatedAt = false, "", 3, after(test.until)
			want.FailureStreak = 0
			if test.next != 0 {
				want.Next = after(test.next)
				want.Due = want.Next
			}
			if diff := cmp.Diff(&want, resumed); diff != "" {
				t.Errorf("resumed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(&before, old); diff != "" {
				t.Errorf("the old one (-before +after):\n%s", diff)
			}
		})
	}
}

func TestResumeOfWhatIsNotPausedChangesNothing(t *testing.T) {
	s := put(t, nil, spec(every(10*time.Second)), created)
	if again, err := schedule.Resume(s, after(time.Hour)); err != nil || again != s {
		t.Errorf("got %+v, %v", again, err)
	}
}

func TestResumeOfWhatIsComplete(t *testing.T) {
	s := put(t, nil, spec(every(10*time.Second), maxRuns(1)), created)
	plan(t, s, after(10*time.Second))
	s, err := schedule.Resume(schedule.Pause(s, schedule.PausedByUser, after(11*time.Second)), after(12*time.Second))
	if err != nil || !s.Next.IsZero() {
		t.Errorf("the next tick is %s, %v", s.Next, err)
	}
}

func TestResumeOfWhatCannotBeUnderstoodIsAConflict(t *testing.T) {
	s := &schedule.Schedule{ID: "s1", State: schedule.State{Paused: true, PausedReason: schedule.PausedInvalid}}
	if _, err := schedule.Resume(s, created); task.CodeOf(err) != task.CodeConflict {
		t.Errorf("got %v", err)
	}
}

func TestTriggerRunsBesideTheSchedule(t *testing.T) {
	for name, pause := range map[string]bool{"running": false, "paused": true} {
		t.Run(name, func(t *testing.T) {
			old := putPaused(t, nil, spec(every(10*time.Second), maxRuns(1)), pause, created)
			before := *old
			now := after(3 * time.Second)
			s, run := schedule.Trigger(old, "mine", now)
			wantRun := schedule.Run{Tick: now, FiredAt: now, TaskID: "mine", Outcome: schedule.Triggered}
			if diff := cmp.Diff(wantRun, run); diff != "" {
				t.Errorf("run (-want +got):\n%s", diff)
			}
			want := before
			want.LastRunAt, want.LastTaskID, want.Unfinished = now, "mine", []string{"mine"}
			if diff := cmp.Diff(&want, s); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(&before, old); diff != "" {
				t.Errorf("the old one (-before +after):\n%s", diff)
			}
		})
	}
}

func TestEnded(t *testing.T) {
	const s, f, c, x = task.Succeeded, task.Failed, task.Canceled, task.Expired
	tests := map[string]struct {
		spec   schedule.Spec
		states []task.State // of tasks 0, 1, …
		streak int
		paused bool
	}{
		"succeeded":                           {spec(), []task.State{s}, 0, false},
		"failed":                              {spec(), []task.State{f, f, f}, 3, false},
		"succeeded in between":                {spec(), []task.State{f, f, s, f}, 1, false},
		"canceled and expired are neutral":    {spec(), []task.State{f, c, x, "", f}, 2, false},
		"one failure too few":                 {spec(pauseAfter(3)), []task.State{f, f, s, f, f}, 2, false},
		"paused by failures":                  {spec(pauseAfter(3)), []task.State{f, s, f, f, f}, 3, true},
		"paused by the first":                 {spec(pauseAfter(1)), []task.State{f}, 1, true},
		"paused by failures, others neutral":  {spec(pauseAfter(3)), []task.State{f, c, f, x, f}, 3, true},
		"failures end though it is paused":    {spec(pauseAfter(2)), []task.State{f, f, f}, 3, true},
		"a success after the pause ends them": {spec(pauseAfter(2)), []task.State{f, f, s}, 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			every(time.Minute)(&test.spec)
			sched := put(t, nil, test.spec, created)
			for i := range test.states {
				sched, _ = schedule.Trigger(sched, strconv.Itoa(i), created)
			}
			for i, state := range test.states {
				if !sched.Ended(strconv.Itoa(i), state, after(time.Second)) {
					t.Fatalf("the end of task %d is no news", i)
				}
				if sched.Ended(strconv.Itoa(i), task.Failed, after(time.Second)) {
					t.Fatalf("the end of task %d is news twice", i)
				}
			}
			if sched.FailureStreak != test.streak || sched.Paused != test.paused || len(sched.Unfinished) != 0 {
				t.Errorf("%d failures, paused %t, unfinished %q", sched.FailureStreak, sched.Paused, sched.Unfinished)
			}
			if last := test.states[len(test.states)-1]; sched.LastState != last {
				t.Errorf("the last state is %q, want %q", sched.LastState, last)
			}
			if test.paused && (sched.PausedReason != schedule.PausedByFailures || sched.Revision != 2 || !sched.Next.IsZero()) {
				t.Errorf("paused because of %q, revision %d, next %s", sched.PausedReason, sched.Revision, sched.Next)
			}
		})
	}
}

func TestLastStateIsThatOfTheLastTask(t *testing.T) {
	s := put(t, nil, spec(every(time.Minute), instances(2)), created)
	s, _ = schedule.Trigger(s, "first", created)
	s.Ended("first", task.Failed, created)
	s, _ = schedule.Trigger(s, "second", created)
	if s.LastState != "" {
		t.Errorf("%s has not ended, and its state is %q", s.LastTaskID, s.LastState)
	}
	s, _ = schedule.Trigger(s, "third", created)
	s.Ended("second", task.Failed, created)
	if s.LastState != "" || s.FailureStreak != 2 {
		t.Errorf("%s has not ended, and its state is %q; %d failures", s.LastTaskID, s.LastState, s.FailureStreak)
	}
	s.Ended("third", task.Succeeded, created)
	if s.LastState != task.Succeeded || s.LastTaskID != "third" {
		t.Errorf("%s has ended in state %q", s.LastTaskID, s.LastState)
	}
}

// A streak that was long before the limit was set does not pause a schedule for something that is no failure.
func TestOnlyAFailurePauses(t *testing.T) {
	s := put(t, nil, spec(every(time.Minute), pauseAfter(2)), created)
	s.FailureStreak, s.Unfinished = 5, []string{"a", "b"}
	if s.Ended("a", task.Canceled, created); s.Paused {
		t.Error("a canceled task pauses it")
	}
	if s.Ended("b", task.Failed, created); !s.Paused {
		t.Error("a failed task does not pause it")
	}
}

func TestEndedOfAnUnknownTaskIsNoNews(t *testing.T) {
	s := put(t, nil, spec(every(time.Minute)), created)
	before := *s
	if s.Ended("other", task.Failed, created) || !cmp.Equal(&before, s) {
		t.Errorf("got %+v", s.State)
	}
}

// A schedule from the configuration is put again only when it says something else: that would undo a pause.
func TestSameSpec(t *testing.T) {
	sp := spec(cronIn("0 2 * * *", "Asia/Shanghai"), startAt(clock(t, "2026-12-01T09:00:00+08:00")))
	retries := 2
	sp.Task.MaxRetries = &retries
	s := put(t, nil, sp, created)
	stored, err := json.Marshal(s.Spec)
	if err != nil {
		t.Fatal(err)
	}
	s.Spec = schedule.Spec{}
	if err := json.Unmarshal(stored, &s.Spec); err != nil {
		t.Fatal(err)
	}
	spelled := sp
	spelled.Task.Payload, spelled.Task.Metadata = json.RawMessage(`{ "n": 1 }`), map[string]string{}
	for name, same := range map[string]schedule.Spec{"as it was": sp, "spelled in another way": spelled} {
		if !s.SameSpec(same) {
			t.Errorf("%s: not the same", name)
		}
	}
	changes := []func(*schedule.Spec){
		cronIn("0 3 * * *", "Asia/Shanghai"), cronIn("0 2 * * *", ""), grace(time.Hour), instances(2), jitter(time.Second),
		maxRuns(3), pauseAfter(2), endAt(after(time.Hour)), each,
		func(s *schedule.Spec) { s.Task.Queue = "low" },
		func(s *schedule.Spec) { s.Task.Payload = json.RawMessage(`{"n":2}`) },
		func(s *schedule.Spec) { s.Task.MaxRetries = nil },
	}
	for i, change := range slices.All(changes) {
		other := sp
		change(&other)
		if s.SameSpec(other) {
			t.Errorf("change %d goes unnoticed", i)
		}
	}
}
