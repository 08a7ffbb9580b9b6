package task_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backbeat-go/backbeat/task"
)

func TestBackoffStaysBelowItsCeiling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ceilings := rapid.Int64Range(1, int64(task.MaxDelay))
		b := task.Backoff{
			Base: time.Duration(ceilings.Draw(t, "base")),
			Cap:  time.Duration(ceilings.Draw(t, "cap")),
		}
		n := rapid.IntRange(0, 2*task.MaxRetriesLimit).Draw(t, "failures before")
		// min(Cap, Base × 2ⁿ), computed without overflow.
		ceiling := new(big.Int).Lsh(big.NewInt(int64(b.Base)), uint(n))
		if most := big.NewInt(int64(b.Cap)); ceiling.Cmp(most) > 0 {
			ceiling = most
		}
		if d := b.Delay(n); d < 0 || big.NewInt(int64(d)).Cmp(ceiling) > 0 {
			t.Fatalf("%+v.Delay(%d) = %s, which is not between 0 and %sns", b, n, d, ceiling)
		}
	})
}

// Full jitter draws from the whole range. The probability that 1000 draws all miss one half of it is 2⁻⁹⁹⁹.
func TestBackoffUsesItsWholeRange(t *testing.T) {
	b := task.Backoff{Base: time.Second, Cap: time.Minute}
	for n, ceiling := range map[int]time.Duration{0: time.Second, 3: 8 * time.Second, 6: time.Minute, 1000: time.Minute} {
		var low, high bool
		for range 1000 {
			d := b.Delay(n)
			low, high = low || d < ceiling/2, high || d >= ceiling/2
		}
		if !low || !high {
			t.Errorf("after %d failures: below %s %t, above %t", n, ceiling/2, low, high)
		}
	}
}

// A missing field gets its default. Otherwise a type that sets only the other field would retry without a pause.
func TestBackoffWithOneFieldSet(t *testing.T) {
	tests := []struct {
		name    string
		backoff task.Backoff
		n       int
		ceiling time.Duration
	}{
		{"cap alone", task.Backoff{Cap: time.Minute}, 0, task.DefaultBackoff.Base},
		{"cap alone, later", task.Backoff{Cap: time.Minute}, 100, time.Minute},
		{"a cap below the default base", task.Backoff{Cap: time.Second}, 0, time.Second},
		{"base alone", task.Backoff{Base: time.Second}, 0, time.Second},
		{"base alone, later", task.Backoff{Base: time.Second}, 100, task.DefaultBackoff.Cap},
		{"a base above the default cap", task.Backoff{Base: time.Hour}, 3, time.Hour},
		{"the longest cap", task.Backoff{Base: time.Second, Cap: math.MaxInt64}, math.MaxInt, math.MaxInt64},
		{"the longest base", task.Backoff{Base: math.MaxInt64}, 1, math.MaxInt64},
		{"a negative base", task.Backoff{Base: -1, Cap: time.Minute}, 100, time.Minute},
		{"neither", task.Backoff{}, 5, 0},
		{"negative ones", task.Backoff{Base: -5, Cap: -5}, 5, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var longest time.Duration
			for range 1000 { // the probability that all are below one half is 2⁻¹⁰⁰⁰
				longest = max(longest, tt.backoff.Delay(tt.n))
			}
			if longest > tt.ceiling || longest < tt.ceiling/2 {
				t.Errorf("the longest wait is %s, want up to %s", longest, tt.ceiling)
			}
		})
	}
}

func TestDefaultBackoffRetriesFirstWithinFiveSeconds(t *testing.T) {
	if b := task.DefaultBackoff; b.Base > 5*time.Second {
		t.Errorf("the first retry comes within %s", b.Base)
	}
}
