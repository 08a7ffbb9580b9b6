package fleet

import (
	"slices"

	"github.com/backbeat-go/backbeat/task"
)

// Filter selects the tasks that are in one of the queues, in one of the states and of one of the types. Empty fields
// select all.
type Filter struct {
	Queues []string
	States []task.State
	Types  []string
}

// HasType reports whether tasks of the type can be selected.
func (f Filter) HasType(name string) bool { return len(f.Types) == 0 || slices.Contains(f.Types, name) }

// Page is one page of a list.
type Page struct {
	Tasks []*task.Task
	// NextCursor is where the next page begins; "" at the end. It is opaque and needs no safekeeping: a
	// made-up one is answered with CodeInvalid.
	NextCursor string
}
