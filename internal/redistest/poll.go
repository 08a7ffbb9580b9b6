package redistest

import (
	"testing"
	"time"
)

// pollInterval is how long Poll leaves the machine alone between two looks.
const pollInterval = 2 * time.Millisecond

// Poll waits until a condition holds. It is for changes that give a test no signal, such as those of Redis by itself. It fails
// the test, with what it has waited for, when the bound is over; the bound must be far beyond what the change takes.
func Poll(t testing.TB, bound time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(bound); !holds(); time.Sleep(pollInterval) {
		if time.Now().After(end) {
			t.Fatalf("after %s it does not hold that %s", bound, what)
		}
	}
}
