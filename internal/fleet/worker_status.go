package fleet

import "time"

// WorkerStatus is a live worker and its running tasks.
type WorkerStatus struct {
	ID          string // host:pid:random, as in Task.Worker
	Host        string
	PID         int
	Queues      map[string]int // name to weight
	Concurrency int
	Running     []RunningTask
	StartedAt   time.Time
}

// RunningTask is a task that a worker runs.
type RunningTask struct {
	ID        string
	Type      string
	Queue     string
	StartedAt time.Time
}
