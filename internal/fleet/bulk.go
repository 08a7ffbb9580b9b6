package fleet

import (
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Action is what a bulk change does to each of its tasks.
type Action string

// The actions.
const (
	ActionCancel Action = "cancel"
	ActionRetry  Action = "retry"
	ActionDelete Action = "delete"
)

// AppliesTo reports whether the action can be taken on a task in the state.
func (a Action) AppliesTo(s task.State) bool {
	switch a {
	case ActionCancel:
		return !s.Terminal()
	case ActionRetry:
		return s == task.Failed || s == task.Canceled || s == task.Expired
	case ActionDelete:
		return s != task.Running
	default:
		return false
	}
}

// Bulk is a change of all tasks that a filter selects.
type Bulk struct {
	Action Action
	Filter Filter
	// OlderThan leaves out tasks that ended, or if they have not ended were created, less than this ago; 0 selects
	// tasks of any age.
	OlderThan time.Duration
	// DryRun only counts.
	DryRun bool
}

// Check returns the faults of the change: a filter that selects everything, which nobody means, and a state that does
// not allow the action.
func (b *Bulk) Check() []task.ValidationError {
	f := b.Filter
	if len(f.Queues)+len(f.States)+len(f.Types) == 0 {
		return []task.ValidationError{{Location: "filter", Message: "needs at least one of queue, state and type"}}
	}
	for _, state := range f.States {
		if !b.Action.AppliesTo(state) {
			return []task.ValidationError{{Location: "filter.state", Message: fmt.Sprintf("a %s task does not allow %s", state, b.Action)}}
		}
	}
	return nil
}

// BulkResult counts the tasks of a bulk change.
type BulkResult struct {
	Matched int // what the filter selected
	Changed int
	Skipped int // selected, and in a state that does not allow the action, perhaps only by the time it was to be taken
}
