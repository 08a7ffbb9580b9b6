package schedule_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// created is when the schedules of these tests are made.
var created = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// after is an instant that is so long after the creation.
func after(d time.Duration) time.Time { return created.Add(d) }

// clock reads an instant.
func clock(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// spec is one with the defaults and a task, changed by change.
func spec(change ...func(*schedule.Spec)) schedule.Spec {
	s := schedule.NewSpec()
	s.Task = schedule.Template{Type: "test.job", Payload: json.RawMessage(`{"n":1}`)}
	for _, c := range change {
		c(&s)
	}
	return s
}

func every(d time.Duration) func(*schedule.Spec) {
	return func(s *schedule.Spec) { s.Every = task.Duration(d) }
}

func cronIn(expr, zone string) func(*schedule.Spec) {
	return func(s *schedule.Spec) { s.Cron, s.Timezone = expr, zone }
}

func at(t time.Time) func(*schedule.Spec) { return func(s *schedule.Spec) { s.At = t } }

func grace(d time.Duration) func(*schedule.Spec) {
	return func(s *schedule.Spec) { s.MisfireGraceTime = task.Duration(d) }
}

func jitter(d time.Duration) func(*schedule.Spec) {
	return func(s *schedule.Spec) { s.Jitter = task.Duration(d) }
}

func instances(n int) func(*schedule.Spec) { return func(s *schedule.Spec) { s.MaxInstances = n } }

func maxRuns(n int64) func(*schedule.Spec) { return func(s *schedule.Spec) { s.MaxRuns = n } }

func pauseAfter(n int) func(*schedule.Spec) {
	return func(s *schedule.Spec) { s.PauseAfterFailures = n }
}

func startAt(t time.Time) func(*schedule.Spec) { return func(s *schedule.Spec) { s.StartAt = t } }

func endAt(t time.Time) func(*schedule.Spec) { return func(s *schedule.Spec) { s.EndAt = t } }

// each lets all ticks run that are due.
func each(s *schedule.Spec) { s.Coalesce, s.MaxInstances = false, 0 }

// put is Put of a schedule s1 that is not paused.
func put(t testing.TB, old *schedule.Schedule, sp schedule.Spec, now time.Time) *schedule.Schedule {
	t.Helper()
	return putPaused(t, old, sp, false, now)
}

func putPaused(t testing.TB, old *schedule.Schedule, sp schedule.Spec, paused bool, now time.Time) *schedule.Schedule {
	t.Helper()
	s, err := schedule.Put(old, "s1", sp, paused, schedule.OriginAPI, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func plan(t testing.TB, s *schedule.Schedule, now time.Time) []schedule.Run {
	t.Helper()
	runs, err := schedule.Plan(s, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

// told writes runs as "fired 10:00:05 missed 10:00:06".
func told(runs []schedule.Run) string {
	words := make([]string, 0, 2*len(runs))
	for _, r := range runs {
		words = append(words, string(r.Outcome), r.Tick.UTC().Format("15:04:05.999"))
	}
	return strings.Join(words, " ")
}

func wantRuns(t *testing.T, runs []schedule.Run, want string) {
	t.Helper()
	if got := told(runs); got != want {
		t.Errorf("it told %q, want %q", got, want)
	}
}

func wantNext(t *testing.T, s *schedule.Schedule, want time.Time) {
	t.Helper()
	if !s.Next.Equal(want) || s.Jitter == 0 && !s.Due.Equal(want) {
		t.Errorf("the next tick is %s, due %s; want %s", s.Next, s.Due, want)
	}
}

type counts struct{ Runs, Missed, Skipped int64 }

func wantCounts(t *testing.T, s *schedule.Schedule, want counts) {
	t.Helper()
	if diff := cmp.Diff(want, counts{s.Runs, s.Missed, s.Skipped}); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

func TestTickIDNamesTheTickInUTC(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	for want, tick := range map[string]time.Time{
		"a.b@20261121T020000Z":     time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC),
		"a.b@20261121T030000Z":     time.Date(2026, 11, 21, 4, 0, 0, 0, berlin),
		"a.b@20261121T020000.050Z": time.Date(2026, 11, 21, 2, 0, 0, 50e6, time.UTC),
		"a.b@20260101T000000.900Z": time.Date(2026, 1, 1, 1, 0, 0, 900e6, berlin),
	} {
		if got := schedule.TickID("a.b", tick); got != want {
			t.Errorf("%s has the id %s, want %s", tick, got, want)
		}
	}
}

func TestTriggerText(t *testing.T) {
	for want, sp := range map[string]schedule.Spec{
		"*/5 * * * *":                  spec(cronIn("*/5 * * * *", "")),
		"0 2 * * * Europe/Berlin":      spec(cronIn("0 2 * * *", "Europe/Berlin")),
		"every 90s":                    spec(every(90 * time.Second)),
		"every 2h":                     spec(every(2 * time.Hour)),
		"at 2026-12-01T09:00:00+08:00": spec(at(time.Date(2026, 12, 1, 9, 0, 0, 0, time.FixedZone("", 8*3600)))),
	} {
		if got := sp.TriggerText(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// registry knows the type test.job, whose results are kept for an hour.
func registry(t *testing.T) *catalog.Catalog {
	t.Helper()
	type in struct {
		N int `json:"n" minimum:"1"`
	}
	types := catalog.New([]string{"default", "low"}, time.Hour)
	if err := types.Add(task.Define[in, task.None]("test.job").Type,
		task.Define[task.None, task.None]("test.quiet", task.Retention(0)).Type); err != nil {
		t.Fatal(err)
	}
	return types
}

func TestTaskOfARunIsCompletedByItsType(t *testing.T) {
	sp := spec(every(time.Minute))
	retries := 7
	sp.Task.Queue, sp.Task.MaxRetries, sp.Task.Metadata = "low", &retries, map[string]string{"tenant": "a"}
	s := put(t, nil, sp, created)
	now := after(61 * time.Second)
	made, err := s.Task(registry(t), plan(t, s, now)[0], now)
	if err != nil {
		t.Fatal(err)
	}
	want := &task.Task{
		ID: "s1@20261121T100100Z", Type: "test.job", Queue: "low", State: task.Pending, Payload: json.RawMessage(`{"n":1}`),
		MaxRetries: 7, Timeout: task.DefaultTimeout, Retention: time.Hour, Metadata: map[string]string{"tenant": "a"},
		Schedule: &task.Tick{ScheduleID: "s1", At: after(time.Minute)}, CreatedAt: now, RunAt: now,
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Were the task gone before the tick is too late to run, a second leader could make it again.
func TestTaskIsKeptThroughTheGraceTime(t *testing.T) {
	for _, typ := range []string{"test.job", "test.quiet"} {
		sp := spec(every(time.Minute), grace(2*time.Hour))
		sp.Task.Type = typ
		none := task.Duration(0)
		sp.Task.Retention = &none
		made, err := put(t, nil, sp, created).Task(registry(t), schedule.Run{TaskID: "x"}, created)
		if err != nil || made.Retention != 2*time.Hour {
			t.Errorf("%s: %v, %v", typ, made, err)
		}
	}
}

func TestTaskOfATypeThatIsGoneIsAConflict(t *testing.T) {
	sp := spec(every(time.Minute))
	sp.Task.Type = "test.gone"
	_, err := put(t, nil, sp, created).Task(registry(t), schedule.Run{}, created)
	if task.CodeOf(err) != task.CodeConflict || !strings.Contains(err.Error(), "test.gone") {
		t.Errorf("got %v", err)
	}
}
