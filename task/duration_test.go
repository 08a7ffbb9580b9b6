package task_test

import (
	"encoding/json"
	"math"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backbeat-go/backbeat/task"
)

func TestDurationString(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                          "0s",
		time.Nanosecond:            "1ns",
		1500 * time.Millisecond:    "1.5s",
		10 * time.Second:           "10s",
		time.Minute:                "60s",
		90 * time.Second:           "90s",
		150 * time.Second:          "2m30s",
		10 * time.Minute:           "10m",
		time.Hour:                  "1h",
		90 * time.Minute:           "1h30m",
		time.Hour + time.Second:    "1h0m1s",
		20*time.Hour + time.Minute: "20h1m",
	} {
		if got := task.Duration(d).String(); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestDurationJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := task.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "ns"))
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got task.Duration
		if err := json.Unmarshal(data, &got); err != nil || got != want {
			t.Fatalf("%d ns became %s and came back as %d ns, %v", want, data, got, err)
		}
	})
}

func TestInvalidDurations(t *testing.T) {
	for _, text := range []string{`""`, `"10"`, `"ten"`, `"-1s"`, `"9999999999h"`, `10`, `{}`, `true`} {
		d := task.Duration(7)
		if err := json.Unmarshal([]byte(text), &d); err == nil {
			t.Errorf("%s was decoded as %s", text, d)
		}
	}
}

func TestDurationIgnoresNull(t *testing.T) {
	d := task.Duration(7)
	if err := json.Unmarshal([]byte("null"), &d); err != nil || d != 7 {
		t.Errorf("null made it %d, %v", d, err)
	}
}

// The results of String must be valid in payloads: the schema's pattern and the parser agree.
func TestDurationStringMatchesSchema(t *testing.T) {
	type payload struct {
		For task.Duration `json:"for"`
	}
	d := task.Define[payload, task.None]("test.duration")
	rapid.Check(t, func(t *rapid.T) {
		req, err := d.Request(payload{task.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "ns"))})
		if err != nil {
			t.Fatal(err)
		}
		if faults := d.Validate(req.Payload); len(faults) > 0 {
			t.Fatalf("%s: %v", req.Payload, faults)
		}
	})
}

// FuzzDuration checks that every accepted text has a String form that is accepted, has the same value and matches the
// schema.
func FuzzDuration(f *testing.F) {
	for _, seed := range []string{
		"90s", "1h30m", "0", "0s", "-1s", "+1s", ".5s", "1.s", "1.5h", "2562047h47m16.854775807s", "2562047h47m16.854775808s", "1ns", "1us", "1µs", "1μs",
		"1e9s", "1d", "", " 1s", "1s ", "1s1s", "١s", "\x00", "99999999999999999999s",
	} {
		f.Add(seed)
	}
	pattern := regexp.MustCompile(task.DurationPattern)
	f.Fuzz(func(t *testing.T, text string) {
		var d, again task.Duration
		if d.UnmarshalText([]byte(text)) != nil {
			return
		}
		written := d.String()
		if err := again.UnmarshalText([]byte(written)); err != nil || again != d || d < 0 {
			t.Errorf("%q is %q, and that is %q, %v", text, written, again, err)
		}
		if !pattern.MatchString(written) {
			t.Errorf("%q is %q, which the pattern %s does not match", text, written, pattern)
		}
	})
}
