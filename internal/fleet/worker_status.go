package fleet

import "time"

// WorkerStatus is a live worker and what it runs.
type WorkerStatus struct {
	ID          string // host:pid:random, the same as Task.Worker
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
