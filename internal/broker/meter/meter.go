package meter

import (
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// ClientMeter is told what a client does, so that it can be counted. It is told in passing, and must not take its time.
// Types and queues may have any names: stock clients make tasks as well.
type Client interface {
	Enqueued(taskType, queue string)
	Refused(err error)
	// Ended is told of tasks that end without a worker, as canceled or expired.
	Ended(taskType, queue string, as task.State)
}

// Meter is told what a worker does; see ClientMeter.
type Worker interface {
	Began(taskType, queue string)
	// Waited is told how long after it could have begun the first attempt of a task did.
	Waited(taskType, queue string, d time.Duration)
	// Ran is told how long an attempt took that has ended, and is not repeated because its worker stops.
	Ran(taskType, queue string, d time.Duration)
	// Retried is told of attempts that failed and are followed by another, Ended of tasks that are over.
	Retried(taskType, queue string)
	Ended(taskType, queue string, as task.State)
	// Crashed is told of attempts whose worker, another than this, has died.
	Crashed(taskType, queue string)
}

// noMeter counts nothing.
type None struct{}

func (None) Enqueued(string, string)              {}
func (None) Refused(error)                        {}
func (None) Ended(string, string, task.State)     {}
func (None) Began(string, string)                 {}
func (None) Waited(string, string, time.Duration) {}
func (None) Ran(string, string, time.Duration)    {}
func (None) Retried(string, string)               {}
func (None) Crashed(string, string)               {}
