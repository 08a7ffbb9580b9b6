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

// AppliesTo reports whether the action is allowed for a task in the state.
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

// Bulk is a change to all tasks that a filter selects.
type Bulk struct {
	Action Action
	Filter Filter
	// OlderThan excludes tasks younger than this. The age counts from the end of a finished task, and from the creation
	// of any other; 0 selects tasks of any age.
	OlderThan time.Duration
	// DryRun counts the tasks and changes nothing.
	DryRun bool
}

// Check returns an error for a filter that selects everything, which is surely a mistake, and for a state that does not
// allow the action.
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
	Matched int // selected by the filter
	Changed int
	Skipped int // selected, but in a state that does not allow the action, perhaps since the selection
}
