// Package meter defines the events that clients and workers count.
package meter

import (
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Client counts what a client does. Its methods are called inline and concurrently; they must not block. Types and queues may
// have any names, because stock clients enqueue tasks as well.
type Client interface {
	// Enqueued is called for each enqueued task.
	Enqueued(taskType, queue string)
	// Refused is called for each task that is not enqueued, with the reason.
	Refused(err error)
	// Ended is called for each task that ends without a worker, as canceled or expired.
	Ended(taskType, queue string, as task.State)
}

// Worker counts what a worker does. Its methods are called as those of Client are.
type Worker interface {
	// Began is called at the start of each attempt.
	Began(taskType, queue string)
	// Waited is called with the time from when a task was due to the start of its first attempt.
	Waited(taskType, queue string, d time.Duration)
	// Ran is called with the duration of each attempt that ended, except those requeued because their worker stops.
	Ran(taskType, queue string, d time.Duration)
	// Retried is called for each failed attempt that another one will follow.
	Retried(taskType, queue string)
	// Ended is called for each task that ends.
	Ended(taskType, queue string, as task.State)
	// Crashed is called for each attempt of another worker that has died.
	Crashed(taskType, queue string)
}

// None counts nothing.
type None struct{}

// The methods of None implement Client and Worker.
func (None) Enqueued(string, string)              {}
func (None) Refused(error)                        {}
func (None) Ended(string, string, task.State)     {}
func (None) Began(string, string)                 {}
func (None) Waited(string, string, time.Duration) {}
func (None) Ran(string, string, time.Duration)    {}
func (None) Retried(string, string)               {}
func (None) Crashed(string, string)               {}
