package task

// State is where a task stands in its life. The values are those of the HTTP API.
type State string

// The states. The last four are terminal: nothing moves a task out of them but a retry asked for by a
// caller.
const (
	Scheduled   State = "scheduled"   // waits for its run_at
	Aggregating State = "aggregating" // waits in a group of asynq's for an asynq server that makes one task of the group
	Pending     State = "pending"     // waits for a free worker
	Running     State = "running"     // a worker is on it
	Retrying    State = "retrying"    // failed, and waits for its next try
	Succeeded   State = "succeeded"
	Failed      State = "failed"
	Canceled    State = "canceled"
	Expired     State = "expired" // was not started by its expires_at
)

// States lists every state in the order in which a task can pass through them.
var States = []State{Scheduled, Aggregating, Pending, Running, Retrying, Succeeded, Failed, Canceled, Expired}

// Terminal reports whether a task in this state is over.
func (s State) Terminal() bool {
	switch s {
	case Succeeded, Failed, Canceled, Expired:
		return true
	default:
		return false
	}
}
