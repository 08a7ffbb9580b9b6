package catalog

import "github.com/backbeat-go/backbeat/task"

// IDTaken refuses a task whose id another has.
func IDTaken(id string) error { return task.Conflict("task id %q is taken", id) }

// NotUnique refuses a task because of the unique_for of another, the holder.
func NotUnique(holder string) error {
	return task.Conflict("task %q has the same type, queue and payload, and unique_for is not over", holder)
}

// NoTask says that there is no task with the id.
func NoTask(id string) error {
	return task.NotFound("there is no task %q; it may have been dropped after its retention", id)
}
