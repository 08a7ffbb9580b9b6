package catalog

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Catalog holds the task types that a program knows, and completes requests for them. Types that the program was compiled with
// are added before use. Those that workers have registered may come and go at any time, while others read the catalog.
type Catalog struct {
	queues    []string
	retention time.Duration
	callbacks bool
	debug     bool
	compiled  map[string]*task.Type
	index     atomic.Pointer[index]
}

// DefaultQueue is the queue of a task that names none, where there is a queue of this name; otherwise it
// is the first queue.
const DefaultQueue = "default"

// New returns an empty catalog for tasks that may go to the queues, of which there is at least
// one. Finished tasks of types that say nothing about it are kept for retention.
func New(queues []string, retention time.Duration) *Catalog {
	c := &Catalog{queues: queues, retention: retention, compiled: make(map[string]*task.Type)}
	c.SetRegistered(nil)
	return c
}

// Add adds types that the program was compiled with. It refuses a name that is taken and a default queue that does not exist.
func (c *Catalog) Add(types ...*task.Type) error {
	for _, t := range types {
		if _, taken := c.compiled[t.Name]; taken {
			return fmt.Errorf("task type %s is defined twice", t.Name)
		}
		if t.Queue != "" && !slices.Contains(c.queues, t.Queue) {
			return fmt.Errorf("task type %s uses queue %q, which is not among queues (%q)", t.Name, t.Queue, c.queues)
		}
		c.compiled[t.Name] = t
	}
	c.SetRegistered(nil)
	return nil
}

// SetRegistered replaces the types that workers have registered. Debug types among them are left out unless they are allowed.
func (c *Catalog) SetRegistered(list []Registered) {
	list = slices.DeleteFunc(slices.Clone(list), func(r Registered) bool { return r.Type.Debug && !c.debug })
	c.index.Store(newIndex(c.compiled, list))
}

// AllowDebug lets debug types of workers be known.
func (c *Catalog) AllowDebug() { c.debug = true }

// AllowCallbacks lets requests ask for callbacks, because there is something to sign those with.
func (c *Catalog) AllowCallbacks() { c.callbacks = true }

// Lookup returns the type with the name or the alias, an internal one too.
func (c *Catalog) Lookup(name string) (t *task.Type, ok bool) {
	k, ok := c.index.Load().names[name]
	if !ok {
		return nil, false
	}
	return k.Type, true
}

// Known returns all types that a caller can ask for, sorted by name.
func (c *Catalog) Known() []*Known { return c.index.Load().list() }

// Types returns all types that a caller can ask for, sorted by name.
func (c *Catalog) Types() []*task.Type {
	known := c.Known()
	types := make([]*task.Type, len(known))
	for i, k := range known {
		types[i] = k.Type
	}
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
