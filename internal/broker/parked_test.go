package broker_test

import (
	"github.com/backbeat-go/backbeat/task"
)

// waitParked waits until the task waits for a worker that knows its type.
func (f *workshop) waitParked(id string) *task.Task {
	f.t.Helper()
	return f.waitFor(id, func(t *task.Task) bool { return t.State == task.Pending && t.WaitingFor == task.WaitingForWorker })
}
