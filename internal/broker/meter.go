package broker

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/backbeat-go/backbeat/task"
)

// ClientMeter is told what a client does, so that it can be counted. It is told in passing, and must not take its time.
// Types and queues may have any names: stock clients make tasks as well.
type ClientMeter interface {
	Enqueued(taskType, queue string)
	Refused(err error)
	// Ended is told of tasks that end without a worker, as canceled or expired.
	Ended(taskType, queue string, as task.State)
}

// Meter is told what a worker does; see ClientMeter.
type Meter interface {
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
type noMeter struct{}

func (noMeter) Enqueued(string, string)              {}
func (noMeter) Refused(error)                        {}
func (noMeter) Ended(string, string, task.State)     {}
func (noMeter) Began(string, string)                 {}
func (noMeter) Waited(string, string, time.Duration) {}
func (noMeter) Ran(string, string, time.Duration)    {}
func (noMeter) Retried(string, string)               {}
func (noMeter) Crashed(string, string)               {}

// Measure makes the client tell a meter what it does. It is called before the client is used.
func (c *Client) Measure(m ClientMeter) { c.meter = m }

// typeOf returns the type of the task whose message begins so. It is the first field, whoever wrote the message; "" is
// that of a message that cannot be read.
func typeOf(head []byte) string {
	num, wire, n := protowire.ConsumeTag(head)
	if n < 0 || num != numType || wire != protowire.BytesType {
		return ""
	}
	taskType, _ := protowire.ConsumeString(head[n:])
	return taskType
}

// typesOf returns the types of the tasks whose messages a script has returned the heads of.
func typesOf(heads any) []string {
	list, _ := heads.([]any)
	types := make([]string, len(list))
	for i := range list {
		head, _ := list[i].(string)
		types[i] = typeOf([]byte(head))
	}
	return types
}
