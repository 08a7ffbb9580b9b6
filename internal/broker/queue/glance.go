package queue

import (
	"context"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

// glanceTasks is how many tasks are looked at in one script, so that Redis is not held up for long.
const glanceTasks = 100

// glance is what can be seen of a task without reading much.
type glance struct{ script.Glance }

// glances looks at the first of the entries, as many as are not too heavy to be looked at at once.
func (c *Client) glances(ctx context.Context, queue string, entries []entry) ([]glance, error) {
	ids := make([]string, min(len(entries), glanceTasks))
	for i := range ids {
		ids[i] = entries[i].ID
	}
	seen, err := script.Glances(ctx, c.rdb, queue, ids)
	if err != nil {
		return nil, redisconn.Coded(err)
	}
	now := c.Now()
	glances := make([]glance, len(seen))
	for i, g := range seen {
		g.Gone = g.Gone || g.Record != nil && g.Record.Over(now)
		glances[i] = glance{g}
	}
	return glances, nil
}

// mayBe reports whether the filter may select the task by its type.
func (g *glance) mayBe(f fleet.Filter) bool { return !g.Gone && f.HasType(g.Type) }

// state returns the task's state; ok is false where it takes more than a glance.
func (g *glance) state() (s task.State, ok bool) {
	if g.Record == nil {
		return "", false
	}
	return g.Record.TaskState(), true
}
