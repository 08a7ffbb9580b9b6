package cron_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backbeat-go/backbeat/internal/cron"
)

// TestNextIsTheSameFromAnywhereBefore: between an instant and its next there is none, so that from all that lies
// between them the next is the same; and the next of the next is later.
func TestNextIsTheSameFromAnywhereBefore(t *testing.T) {
	exprs := []string{
		"* * * * *", "*/7 * * * * *", "30 2 * * *", "*/15 2 * * *", "0 0 * * *", "0 */5 * * *", "0 0 L * 5L", "0 12 15W,LW * *",
		"59 59 23 31 12 *", "0 0 29 2 *", "1-50/7 0-3 * 3,4,9-11 sun", "0 22-2 * * fri-mon",
	}
	names := zoneNames()
	rapid.Check(t, func(t *rapid.T) {
		expr := rapid.SampledFrom(exprs).Draw(t, "expr")
		match := rapid.SampledFrom([]cron.DayMatch{cron.EitherDay, cron.BothDays}).Draw(t, "match")
		zone := rapid.SampledFrom(names).Draw(t, "zone")
		after := time.Unix(rapid.Int64Range(-2_208_988_800, 4_102_444_800).Draw(t, "after"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos"))
		e, err := cron.Parse(expr, match)
		if err != nil {
			t.Fatal(err)
		}
		loc, err := cron.Zone(zone)
		if err != nil {
			t.Fatal(err)
		}
		next, ok := e.Next(after, loc)
		if !ok || !next.After(after) {
			t.Fatalf("after %s comes %s, %v", after, next, ok)
		}
		between := after.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(after))-1).Draw(t, "between")))
		if again, ok := e.Next(between, loc); !ok || !again.Equal(next) {
			t.Errorf("after %s comes %s, but after %s comes %s, %v", after, next, between, again, ok)
		}
		if second, ok := e.Next(next, loc); !ok || !second.After(next) {
			t.Errorf("after %s comes %s, %v", next, second, ok)
		}
	})
}

// FuzzParse: no input makes Parse or Next panic or hang, and what can be read goes forward only.
func FuzzParse(f *testing.F) {
	for _, expr := range []string{
		"* * * * *", "*/5 9-17 * * mon-fri", "@daily", "0 0 L-3,15W,LW * 5#3,friL", "35 * 1-L/8 * *", "59 59 23 29 feb MON", "22-2/2 * ? * ?",
		"0 0 31 2,4,6,9,11 *", "1,,2 * * * *", "*/0 * * * *", "@every 5m", strings.Repeat("*,", 500), "٣ * * * *", "0 0 ⅼ * *", "\x00", "l l l l l", "-/-,- # w l- @",
	} {
		f.Add(expr, true, int64(1_774_742_400), uint(0))
		f.Add(expr, false, int64(-1_773_012_580), uint(1))
	}
	names := zoneNames()
	f.Fuzz(func(t *testing.T, expr string, both bool, unix int64, zone uint) {
		match := cron.EitherDay
		if both {
			match = cron.BothDays
		}
		e, err := cron.Parse(expr, match)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %q", err)
			}
			return
		}
		after := time.Unix(unix, 0)
		loc := mustZone(t, names[zone%uint(len(names))])
		for range 4 {
			next, ok := e.Next(after, loc)
			if !ok {
				return
			}
			if !next.After(after) {
				t.Fatalf("%q: after %s comes %s", expr, after, next)
			}
			after = next
		}
	})
}
