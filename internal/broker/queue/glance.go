package queue

import (
	"context"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

// glanceTasks is how many tasks are looked at in one script, so that Redis is not held up for long.
const glanceTasks = 100

// glance is what can be seen of a task without reading much. Its zero value is that of a task that is gone.
type glance struct {
	weight   int          // bytes of its message and result
	taskType string       // also where record is nil
	record   *wire.Record // without its result; nil for a message that is large
	gone     bool
}

// glanceFields are the fields that glance.lua returns as they are.
var glanceFields = []string{wire.FieldState, wire.FieldOutcome, wire.FieldFinishedAt, wire.FieldAttempt, wire.FieldCancelRequested, wire.FieldParked, wire.FieldRunAt}

// glances looks at the first of the entries, as many as are not too heavy to be looked at at once.
func (c *Client) glances(ctx context.Context, queue string, entries []entry) ([]glance, error) {
	ids := make([]any, min(len(entries), glanceTasks))
	for i := range ids {
		ids[i] = entries[i].ID
	}
	replies, err := script.GlanceScript.Run(ctx, c.rdb, queue, []string{wire.PendingKey(queue)}, ids...).Slice()
	if err != nil {
		return nil, redisconn.Coded(err)
	}
	now := c.Now()
	glances := make([]glance, len(replies))
	for i, reply := range replies {
		values, _ := reply.([]any)
		glances[i] = newGlance(queue, entries[i].ID, values)
		if r := glances[i].record; r != nil && r.Over(now) {
			glances[i].gone = true
		}
	}
	return glances, nil
}

func newGlance(queue, id string, values []any) glance {
	if len(values) != 3+len(glanceFields) {
		return glance{gone: true}
	}
	size, _ := values[0].(int64)
	result, _ := values[1].(int64)
	message, _ := values[2].(string)
	if size < 0 {
		return glance{gone: true}
	}
	g := glance{weight: int(size + result), taskType: wire.TypeOf([]byte(message))}
	if int(size) > len(message) {
		return g
	}
	fields := map[string]string{wire.FieldMessage: message}
	for i, name := range glanceFields {
		if value, _ := values[3+i].(string); value != "" {
			fields[name] = value
		}
	}
	g.record, _ = wire.RecordOf(queue, id, fields)
	return g
}

// mayBe reports whether the filter may select the task by its type.
func (g *glance) mayBe(f fleet.Filter) bool { return !g.gone && f.HasType(g.taskType) }

// state returns the task's state; ok is false where it takes more than a glance.
func (g *glance) state() (s task.State, ok bool) {
	if g.record == nil {
		return "", false
	}
	return g.record.TaskState(), true
}
