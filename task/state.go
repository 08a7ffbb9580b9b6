package task

// State is the state of a task. The values are those of the HTTP API.
type State string

// The states. The last four are terminal: only a retry requested by a caller moves a task out of them.
const (
	Scheduled   State = "scheduled"   // waits for its run_at
	Aggregating State = "aggregating" // waits in an asynq group until an asynq server aggregates it into one task
	Pending     State = "pending"     // waits for a free worker
	Running     State = "running"     // runs on a worker
	Retrying    State = "retrying"    // failed, and waits for its next attempt
	Succeeded   State = "succeeded"
	Failed      State = "failed"
	Canceled    State = "canceled"
	Expired     State = "expired" // did not start by its expires_at
)

// States lists all states, in the order in which a task can enter them.
var States = []State{Scheduled, Aggregating, Pending, Running, Retrying, Succeeded, Failed, Canceled, Expired}

// Terminal reports whether a task in this state has finished.
func (s State) Terminal() bool {
	switch s {
	case Succeeded, Failed, Canceled, Expired:
		return true
	default:
		return false
	}
}
