package catalog

import (
	"fmt"
	"slices"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Catalog holds the task types that a program knows, and completes requests for them. It is filled
// before use and only read afterwards.
type Catalog struct {
	queues    []string
	retention time.Duration
	callbacks bool
	types     map[string]*task.Type
}

// DefaultQueue is the queue of a task that names none, where there is a queue of this name; otherwise it
// is the first queue.
const DefaultQueue = "default"

// New returns an empty catalog for tasks that may go to the queues, of which there is at least
// one. Finished tasks of types that say nothing about it are kept for retention.
func New(queues []string, retention time.Duration) *Catalog {
	return &Catalog{queues: queues, retention: retention, types: make(map[string]*task.Type)}
}

// Add registers types. It refuses a name that is taken and a default queue that does not exist.
func (c *Catalog) Add(types ...*task.Type) error {
	for _, t := range types {
		if _, taken := c.types[t.Name]; taken {
			return fmt.Errorf("task type %s is defined twice", t.Name)
		}
		if t.Queue != "" && !slices.Contains(c.queues, t.Queue) {
			return fmt.Errorf("task type %s uses queue %q, which is not among queues (%q)", t.Name, t.Queue, c.queues)
		}
		c.types[t.Name] = t
	}
	return nil
}

// AllowCallbacks lets requests ask for callbacks, because there is something to sign those with.
func (c *Catalog) AllowCallbacks() { c.callbacks = true }

// Lookup returns the type with the name, an internal one too.
func (c *Catalog) Lookup(name string) (t *task.Type, ok bool) {
	t, ok = c.types[name]
	return t, ok
}

// Types returns all types that a caller can ask for, sorted by name.
func (c *Catalog) Types() []*task.Type {
	types := make([]*task.Type, 0, len(c.types))
	for _, t := range c.types {
		if !t.Internal {
			types = append(types, t)
		}
	}
	slices.SortFunc(types, func(a, b *task.Type) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return types
}

// HasQueue reports whether tasks may go to the queue.
func (c *Catalog) HasQueue(name string) bool { return slices.Contains(c.queues, name) }

// QueueOf returns the queue that tasks of the type go to when the request names none.
func (c *Catalog) QueueOf(t *task.Type) string {
	switch {
	case t.Queue != "":
		return t.Queue
	case slices.Contains(c.queues, DefaultQueue):
		return DefaultQueue
	default:
		return c.queues[0]
	}
}
