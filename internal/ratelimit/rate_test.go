package ratelimit_test

import (
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/ratelimit"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]ratelimit.Rate{
		"100/s":            {Limit: 100, Period: time.Second, Burst: 100},
		"6000/m":           {Limit: 6000, Period: time.Minute, Burst: 6000},
		"1/h":              {Limit: 1, Period: time.Hour, Burst: 1},
		"100/s burst=200":  {Limit: 100, Period: time.Second, Burst: 200},
		"100/s  burst=1":   {Limit: 100, Period: time.Second, Burst: 1},
		"1000000/s":        {Limit: 1_000_000, Period: time.Second, Burst: 1_000_000},
		"6/m burst=000010": {Limit: 6, Period: time.Minute, Burst: 10},
	} {
		if got, err := ratelimit.Parse(text); err != nil || got != want || !got.Limits() {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "100", "/s", "100/d", "100/second", "-1/s", "1.5/s", "0/s", "1000001/s", "99999999999999999999/s", "100/s burst", "100/s burst=",
		"100/s burst=0", "100/s burst=1000001", "100/s burst=-1", "100/sburst=1", " 100/s", "100/s ", "100/s burst=1 burst=2",
	} {
		if got, err := ratelimit.Parse(text); err == nil || got.Limits() {
			t.Errorf("%q is accepted: %+v", text, got)
		}
	}
}

func TestUntil(t *testing.T) {
	r := ratelimit.Rate{Limit: 120, Period: time.Minute, Burst: 10}
	for _, tt := range []struct {
		tokens float64
		want   int
		after  time.Duration
	}{{0, 1, 500 * time.Millisecond}, {0.5, 1, 250 * time.Millisecond}, {1, 1, 0}, {3, 1, 0}, {-990, 10, 500 * time.Second}} {
		if got := r.Until(tt.tokens, tt.want); got != tt.after {
			t.Errorf("from %g to %d: %s, want %s", tt.tokens, tt.want, got, tt.after)
		}
	}
}
