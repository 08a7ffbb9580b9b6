package fleet

import "time"

// QueueStatus is a snapshot of a queue.
type QueueStatus struct {
	Name string
	// Weight is the queue's share of the workers' capacity, or its rank with strict priority.
	Weight int
	Paused bool

	Pending     int
	Running     int
	Scheduled   int
	Aggregating int
	Retrying    int
	Failed      int
	Canceled    int
	Expired     int
	Succeeded   int
	// Archived counts the tasks in asynq's archive: all that ended without success.
	Archived int

	// Latency is the waiting time of the oldest pending task.
	Latency time.Duration
	// ProcessedToday and FailedToday count attempts that ended since midnight UTC.
	ProcessedToday int
	FailedToday    int
}
