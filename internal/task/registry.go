package task

import (
	"fmt"
	"slices"
	"time"
)

// Registry holds the task types that a program knows, and completes requests for them. It is filled
// before use and only read afterwards.
type Registry struct {
	queues    []string
	retention time.Duration
	callbacks bool
	types     map[string]*Type
}

// DefaultQueue is the queue of a task that names none, where there is a queue of this name; otherwise it
// is the first queue.
const DefaultQueue = "default"

// NewRegistry returns an empty registry for tasks that may go to the queues, of which there is at least
// one. Finished tasks of types that say nothing about it are kept for retention.
func NewRegistry(queues []string, retention time.Duration) *Registry {
	return &Registry{queues: queues, retention: retention, types: make(map[string]*Type)}
}

// Add registers types. It refuses a name that is taken and a default queue that does not exist.
func (r *Registry) Add(types ...*Type) error {
	for _, t := range types {
		if _, taken := r.types[t.Name]; taken {
			return fmt.Errorf("task type %s is defined twice", t.Name)
		}
		if t.Queue != "" && !slices.Contains(r.queues, t.Queue) {
			return fmt.Errorf("task type %s uses queue %q, which is not among queues (%q)", t.Name, t.Queue, r.queues)
		}
		r.types[t.Name] = t
	}
	return nil
}

// AllowCallbacks lets requests ask for callbacks, because there is something to sign those with.
func (r *Registry) AllowCallbacks() { r.callbacks = true }

// Lookup returns the type with the name, an internal one too.
func (r *Registry) Lookup(name string) (t *Type, ok bool) {
	t, ok = r.types[name]
	return t, ok
}

// Types returns all types that a caller can ask for, sorted by name.
func (r *Registry) Types() []*Type {
	types := make([]*Type, 0, len(r.types))
	for _, t := range r.types {
		if !t.Internal {
			types = append(types, t)
		}
	}
	slices.SortFunc(types, func(a, b *Type) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return types
}

// HasQueue reports whether tasks may go to the queue.
func (r *Registry) HasQueue(name string) bool { return slices.Contains(r.queues, name) }

// QueueOf returns the queue that tasks of the type go to when the request names none.
func (r *Registry) QueueOf(t *Type) string {
	switch {
	case t.Queue != "":
		return t.Queue
	case slices.Contains(r.queues, DefaultQueue):
		return DefaultQueue
	default:
		return r.queues[0]
	}
}
