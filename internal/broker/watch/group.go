package watch

import (
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// group is the watchers of one task.
type group struct {
	watchers map[*Watcher]struct{}
	followed bool       // at least one watcher wants Changes
	last     *task.Task // as of the last read
	seen     string     // the values that the last check read
	missed   bool       // the last check found no task
}

// send sends the task to the watchers of the group, in place of an older state that is still in a channel.
func (e *group) send(t *task.Task) {
	e.last = t
	for one := range e.watchers {
		if one.Wants == End && !t.State.Terminal() {
			continue
		}
		select {
		case <-one.Updates: // an older state that was not received
		default:
		}
		one.Updates <- t // does not block: only the holder of the lock sends
	}
}

// overdue reports whether the task has expired without an announcement, as it does when there is no worker. A read ends it.
func (e *group) overdue(now time.Time) bool {
	waits := e.last.State == task.Pending || e.last.State == task.Scheduled
	return waits && !e.last.ExpiresAt.IsZero() && e.last.ExpiresAt.Before(now)
}
