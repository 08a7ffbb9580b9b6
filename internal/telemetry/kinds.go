package telemetry

import "sync"

// other is the label value for everything that the process does not know, such as types and queues of other clients and
// unknown methods. Each label value is a series in Prometheus, so clients must not be able to create any.
const other = "other"

// kinds are the known task types and queues of a process.
type kinds struct{ types, queues []string }

// kind is a task type and a queue.
type kind struct{ taskType, queue string }

// byKind holds a value for each kind of task, created at its first use. The set of kinds is fixed, so that it cannot grow and
// a lookup needs no lock; workers look kinds up several times per task.
type byKind[T any] map[kind]func() T

func newByKind[T any](known kinds, make func(kind) T) byKind[T] {
	b := byKind[T]{}
	for _, taskType := range append([]string{other}, known.types...) {
		for _, queue := range append([]string{other}, known.queues...) {
			k := kind{taskType, queue}
			b[k] = sync.OnceValue(func() T { return make(k) })
		}
	}
	return b
}

// of returns the value for tasks of a type in a queue. Unknown types and queues count as other.
func (b byKind[T]) of(taskType, queue string) T {
	if value, ok := b[kind{taskType, queue}]; ok {
		return value()
	}
	if _, known := b[kind{taskType, other}]; !known {
		taskType = other
	}
	if _, known := b[kind{other, queue}]; !known {
		queue = other
	}
	return b[kind{taskType, queue}]()
}
