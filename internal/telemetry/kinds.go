package telemetry

import "sync"

// other stands in a label for all that the process does not know: types and queues of foreign clients, methods that
// nobody has heard of. Each value of a label is a series that Prometheus keeps, so clients must not be able to make any.
const other = "other"

// kinds are the task types and the queues that a process knows.
type kinds struct{ types, queues []string }

// kind is what tasks are told apart by.
type kind struct{ taskType, queue string }

// byKind holds a value for each kind of task, made when it is first asked for. All kinds are known from the start, so that
// finding one takes no lock and there can be no more of them; workers do so several times a task.
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

// of returns the value for tasks of a type in a queue, whatever these are called.
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
