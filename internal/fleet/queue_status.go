package fleet

import "time"

// QueueStatus is what a queue holds at one moment.
type QueueStatus struct {
	Name string
	// Weight is the queue's share where queues compete for workers, or its rank with strict priority.
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
	// Archived is how many tasks asynq's archive holds: all that ended without success.
	Archived int

	// Latency is how long the oldest pending task has waited.
	Latency time.Duration
	// ProcessedToday and FailedToday count attempts that ended since midnight UTC.
	ProcessedToday int
	FailedToday    int
}
