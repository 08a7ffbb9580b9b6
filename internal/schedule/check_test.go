package schedule_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

func TestCheckID(t *testing.T) {
	for _, id := range []string{"a", "hourly-crawl", "A.b_c-9", "..a", "-", "_", strings.Repeat("x", 100)} {
		if err := schedule.CheckID(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, id := range []string{"", ".", "..", "...", "a b", "a/b", "a@b", "a:b", "ä", "a\n", "{a}", strings.Repeat("x", 101)} {
		if got := locations(t, schedule.CheckID(id)); got != "id" {
			t.Errorf("%q: faults at %q", id, got)
		}
	}
}

// locations are those of the faults that an error names.
func locations(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return "nowhere"
	}
	invalid, ok := errors.AsType[*task.Error](err)
	if !ok || invalid.Code != task.CodeInvalid || len(invalid.Faults) == 0 {
		t.Fatalf("got %v", err)
	}
	var found []string
	for _, f := range invalid.Faults {
		if f.Message == "" {
			t.Errorf("the fault at %s says nothing", f.Location)
		}
		found = append(found, f.Location)
	}
	return strings.Join(found, " ")
}

func TestCheckFindsNothingWrong(t *testing.T) {
	for name, sp := range map[string]schedule.Spec{
		"cron":             spec(cronIn("*/5 9-17 * * mon-fri", "Asia/Shanghai")),
		"cron with macro":  spec(cronIn("@hourly", "")),
		"a rare day":       spec(cronIn("0 0 29 2 mon", "")),
		"every":            spec(every(schedule.MinEvery)),
		"a slow every":     spec(every(schedule.MaxEvery)),
		"at":               spec(at(after(time.Hour))),
		"at, in the past":  spec(at(after(-time.Hour))),
		"all at their end": spec(every(time.Second), grace(schedule.MaxMisfireGraceTime), jitter(schedule.MaxJitter), instances(schedule.MaxInstancesLimit), maxRuns(1), pauseAfter(1), startAt(created), endAt(created)),
		"a short grace":    spec(every(time.Second), grace(time.Second), instances(0)),
		"both days":        spec(cronIn("0 0 13 * fri", ""), func(s *schedule.Spec) { s.DayMatch = "and" }),
	} {
		if err := sp.Check(registry(t), created); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckNamesEachFault(t *testing.T) {
	minutely := every(time.Minute)
	tests := map[string]struct {
		spec schedule.Spec
		want string // locations
	}{
		"no trigger":               {spec(), ""},
		"cron and every":           {spec(minutely, cronIn("@daily", "")), ""},
		"every and at":             {spec(minutely, at(created)), ""},
		"all three":                {spec(minutely, at(created), cronIn("@daily", "")), ""},
		"a bad cron":               {spec(cronIn("61 * * * *", "")), "cron"},
		"a cron of four fields":    {spec(cronIn("* * * *", "")), "cron"},
		"a cron that never fires":  {spec(cronIn("0 0 30 2 *", "")), "cron"},
		"days that never meet":     {spec(cronIn("0 0 31 2 mon", ""), func(s *schedule.Spec) { s.DayMatch = "and" }), "cron"},
		"a zone that is not":       {spec(cronIn("@daily", "Mars/Olympus")), "timezone"},
		"the host's zone":          {spec(cronIn("@daily", "Local")), "timezone"},
		"a zone that is not, by e": {spec(minutely, func(s *schedule.Spec) { s.Timezone = "Mars/Olympus" }), "timezone"},
		"zone and cron":            {spec(cronIn("61 * * * *", "Mars/Olympus")), "timezone cron"},
		"a bad day_match":          {spec(cronIn("@daily", ""), func(s *schedule.Spec) { s.DayMatch = "xor" }), "day_match"},
		"too quick":                {spec(every(999 * time.Millisecond)), "every"},
		"too slow":                 {spec(every(schedule.MaxEvery + time.Millisecond)), "every"},
		"a negative every":         {spec(every(-time.Minute)), "every"},
		"parts of a millisecond":   {spec(every(time.Second + time.Microsecond)), "every"},
		"no grace time":            {spec(minutely, grace(0)), "misfire_grace_time"},
		"too long a grace time":    {spec(minutely, grace(schedule.MaxMisfireGraceTime+1)), "misfire_grace_time"},
		"negative max_instances":   {spec(minutely, instances(-1)), "max_instances"},
		"too many max_instances":   {spec(minutely, instances(schedule.MaxInstancesLimit+1)), "max_instances"},
		"negative jitter":          {spec(minutely, jitter(-1)), "jitter"},
		"too long a jitter":        {spec(minutely, jitter(schedule.MaxJitter+1)), "jitter"},
		"negative max_runs":        {spec(minutely, maxRuns(-1)), "max_runs"},
		"negative failures":        {spec(minutely, pauseAfter(-1)), "pause_after_failures"},
		"the end before the start": {spec(minutely, startAt(created), endAt(after(-time.Second))), "end_at"},
		"a start before our time":  {spec(minutely, startAt(time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC))), "start_at"},
		"an at before our time":    {spec(at(time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC))), "at"},
		"no type":                  {spec(minutely, func(s *schedule.Spec) { s.Task = schedule.Template{} }), "task.type"},
		"an unknown type":          {spec(minutely, func(s *schedule.Spec) { s.Task.Type = "test.gone" }), "task.type"},
		"a bad payload": {
			spec(minutely, func(s *schedule.Spec) { s.Task.Payload = json.RawMessage(`{"n":0}`) }), "task.payload.n",
		},
		"an unknown queue": {spec(minutely, func(s *schedule.Spec) { s.Task.Queue = "gone" }), "task.queue"},
		"too many retries": {spec(minutely, func(s *schedule.Spec) {
			n := task.MaxRetriesLimit + 1
			s.Task.MaxRetries = &n
		}), "task.max_retries"},
		"no timeout": {spec(minutely, func(s *schedule.Spec) {
			var none task.Duration
			s.Task.Timeout = &none
		}), "task.timeout"},
		"metadata of ours": {spec(minutely, func(s *schedule.Spec) {
			s.Task.Metadata = map[string]string{"backbeat-x": "1"}
		}), "task.metadata.backbeat-x"},
		"many": {
			spec(cronIn("x", ""), grace(0), instances(-1), jitter(-1), func(s *schedule.Spec) { s.Task.Queue = "gone" }),
			"cron misfire_grace_time max_instances jitter task.queue",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := locations(t, test.spec.Check(registry(t), created)); got != test.want {
				t.Errorf("faults at %q, want %q", got, test.want)
			}
		})
	}
}

func TestPreview(t *testing.T) {
	tests := map[string]struct {
		spec  schedule.Spec
		after string
		count int
		want  string
	}{
		"cron in its zone": {
			spec(cronIn("0 3 * * *", "Europe/Berlin")), "2026-03-28T00:00:00Z", 3,
			"2026-03-28T03:00:00+01:00 2026-03-29T03:00:00+02:00 2026-03-30T03:00:00+02:00",
		},
		"strictly after": {
			spec(cronIn("0 3 * * *", "")), "2026-03-28T03:00:00Z", 1, "2026-03-29T03:00:00Z",
		},
		"every, from after": {
			spec(every(90 * time.Second)), "2026-03-28T03:00:00Z", 2, "2026-03-28T03:01:30Z 2026-03-28T03:03:00Z",
		},
		"every, from start_at": {
			spec(every(90*time.Second), startAt(time.Date(2026, 3, 28, 2, 59, 0, 0, time.UTC))), "2026-03-28T03:00:00Z", 2,
			"2026-03-28T03:00:30Z 2026-03-28T03:02:00Z",
		},
		"at": {
			spec(at(created), func(s *schedule.Spec) { s.Timezone = "Asia/Shanghai" }), "2026-03-28T03:00:00Z", 5,
			"2026-11-21T18:00:00+08:00",
		},
		"at, in the past": {spec(at(created)), "2026-11-21T10:00:00Z", 5, ""},
		"until end_at": {
			spec(cronIn("@hourly", ""), endAt(created)), "2026-11-21T08:30:00Z", 5, "2026-11-21T09:00:00Z 2026-11-21T10:00:00Z",
		},
		"none asked for": {spec(cronIn("@hourly", "")), "2026-11-21T08:30:00Z", 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			runs, err := schedule.Preview(test.spec, clock(t, test.after), test.count)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, run := range runs {
				got = append(got, run.Format(time.RFC3339Nano))
			}
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPreviewOfABadTrigger(t *testing.T) {
	for want, sp := range map[string]schedule.Spec{
		"":         spec(),
		"cron":     spec(cronIn("0 0 30 2 *", "")),
		"timezone": spec(cronIn("@daily", "Mars/Olympus")),
		"every":    spec(every(time.Millisecond)),
	} {
		if _, err := schedule.Preview(sp, created, 1); locations(t, err) != want {
			t.Errorf("got %v, want a fault at %q", err, want)
		}
	}
}
