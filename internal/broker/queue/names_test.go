package queue

import (
	"context"
	"testing"

	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redistest"
)

// A caller who has no time left does not make all others take the set of queues to be out of reach.
func TestCallerInAHurryTellsNothingOfTheNode(t *testing.T) {
	n := newNames(redistest.Start(t).Client(t), []fleet.Queue{{Name: "q", Weight: 1}})
	hurry, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.all(hurry); err != nil || n.away() {
		t.Errorf("%v, away %v", err, n.away())
	}
	n.announce(hurry, "q")
	if found, err := n.read(t.Context()); err != nil || len(found) != 1 {
		t.Errorf("%q, %v", found, err)
	}
}
