package enqueue

import (
	"maps"
	"slices"
	"time"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// DefaultQueues are those of the programs' configuration, with their weights.
func DefaultQueues() map[string]int { return map[string]int{"critical": 6, "default": 3, "low": 1} }

// defaultRetention is that of the programs' configuration.
const defaultRetention = 24 * time.Hour

// Options say what an Enqueuer accepts.
type Options struct {
	// Catalog is used as it is, in place of one of what else is here but Queues; its owner keeps it up to date. Default: nil.
	Catalog   *catalog.Catalog
	Queues    map[string]int // weights by name
	Retention time.Duration
	Callbacks bool
	Types     []*task.Type
}

// Defaults are the options of which nobody has changed any.
func Defaults() Options { return Options{Queues: DefaultQueues(), Retention: defaultRetention} }

// NewCatalog returns a catalog with the types. Errors are those of Catalog.Add.
func (o *Options) NewCatalog() (*catalog.Catalog, error) {
	c := catalog.New(slices.Sorted(maps.Keys(o.Queues)), o.Retention)
	if o.Callbacks {
		c.AllowCallbacks()
	}
	return c, c.Add(o.Types...)
}
