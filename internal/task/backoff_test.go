package task_test

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backbeat-go/backbeat/internal/task"
)

func TestBackoffNeverWaitsLongerThanItsFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ceilings := rapid.Int64Range(0, int64(task.MaxDelay))
		b := task.Backoff{
			Base: time.Duration(ceilings.Draw(t, "base")),
			Cap:  time.Duration(ceilings.Draw(t, "cap")),
		}
		n := rapid.IntRange(0, 2*task.MaxRetriesLimit).Draw(t, "failures before")
		// min(Cap, Base × 2ⁿ) in numbers that cannot overflow.
		ceiling := new(big.Int).Lsh(big.NewInt(int64(b.Base)), uint(n))
		if most := big.NewInt(int64(b.Cap)); ceiling.Cmp(most) > 0 {
			ceiling = most
		}
		if d := b.Delay(n); d < 0 || big.NewInt(int64(d)).Cmp(ceiling) > 0 {
			t.Fatalf("%+v.Delay(%d) = %s, which is not between 0 and %sns", b, n, d, ceiling)
		}
	})
}

// Full jitter draws from the whole range: 1000 draws that all miss one half of it have a chance of 2⁻¹⁰⁰⁰.
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

func TestDefaultBackoffRetriesFirstWithinFiveSeconds(t *testing.T) {
	if b := task.DefaultBackoff; b.Base > 5*time.Second {
		t.Errorf("the first retry comes within %s", b.Base)
	}
}
