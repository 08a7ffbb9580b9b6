package fleet

import (
	"slices"

	"github.com/backbeat-go/backbeat/task"
)

// Filter selects the tasks that are in one of the queues, in one of the states and of one of the types. An empty field
// does not restrict the selection.
type Filter struct {
	Queues []string
	States []task.State
	Types  []string
}

// HasType reports whether the filter can select tasks of the type.
func (f Filter) HasType(name string) bool { return len(f.Types) == 0 || slices.Contains(f.Types, name) }

// Page is one page of a list.
type Page struct {
	Tasks []*task.Task
	// NextCursor is the start of the next page; "" on the last page. It is opaque. An invalid cursor causes an error
	// with CodeInvalid.
	NextCursor string
}
