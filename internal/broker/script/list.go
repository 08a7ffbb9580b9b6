package script

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

var (
	glanceScript = named("glance")
	groupsScript = named("groups")
)

// glanceFields are the fields of a task's hash that glance.lua returns as they are.
var glanceFields = []string{
	wire.FieldState, wire.FieldOutcome, wire.FieldFinishedAt, wire.FieldAttempt, wire.FieldCancelRequested, wire.FieldParked,
	wire.FieldRunAt,
}

// Glance is what can be seen of a task without reading much.
type Glance struct {
	Gone   bool         // there is no task, or its key is of a wrong type
	Weight int          // bytes of its message and result
	Type   string       // also where Record is nil
	Record *wire.Record // without its result; nil for a message that is large
}

// Glances looks at the first tasks with the ids, one at least, as many as are not too heavy to be looked at at once.
func Glances(ctx context.Context, rdb redis.Scripter, queue string, ids []string) ([]Glance, error) {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	replies, err := glanceScript.run(ctx, rdb, queue, []string{wire.PendingKey(queue)}, args...).Slice()
	glances := make([]Glance, len(replies))
	for i, reply := range replies {
		values, _ := reply.([]any)
		glances[i] = glanceOf(queue, ids[i], values)
	}
	return glances, err
}

func glanceOf(queue, id string, values []any) Glance {
	if len(values) != 3+len(glanceFields) || number(values[0]) < 0 {
		return Glance{Gone: true}
	}
	size, message := number(values[0]), text(values[2])
	g := Glance{Weight: size + number(values[1]), Type: wire.TypeOf([]byte(message))}
	if size > len(message) {
		return g
	}
	fields := map[string]string{wire.FieldMessage: message}
	for i, name := range glanceFields {
		if value := text(values[3+i]); value != "" {
			fields[name] = value
		}
	}
	g.Record, _ = wire.RecordOf(queue, id, fields)
	return g
}

// Scans of groups. All others are cursors of Redis.
const (
	FirstScan = "0"    // the first scan
	SetsScan  = "sets" // that of the aggregation sets
)

// GroupedTask is a task in a group of asynq's, or in an aggregation set.
type GroupedTask struct {
	Scan  string // that found the group
	Group string
	Mark  string // of the group
	ID    string
	Score float64
}

// GroupedTasks reads on, in a scan, in the tasks of the groups of a queue, but for the groups with the marks, which stand one
// behind the other. It returns the scan that comes next, "" at the end.
func GroupedTasks(ctx context.Context, rdb redis.Scripter, queue, scan, marks string, limit int64) (tasks []GroupedTask, next string, err error) {
	values, err := runGroups(ctx, rdb, queue, scan, marks, limit)
	if err != nil {
		return nil, "", err
	}
	for i := 1; i+4 < len(values); i += 5 {
		score, _ := strconv.ParseFloat(values[i+4], 64) // Redis says so
		tasks = append(tasks, GroupedTask{values[i], values[i+1], values[i+2], values[i+3], score})
	}
	return tasks, values[0], nil
}

// CountGrouped counts the tasks in the groups that a scan finds. It returns the scan that comes next, "" at the end.
func CountGrouped(ctx context.Context, rdb redis.Scripter, queue, scan string) (n int, next string, err error) {
	values, err := runGroups(ctx, rdb, queue, scan, "", 0)
	if err != nil {
		return 0, "", err
	}
	n, _ = strconv.Atoi(values[1]) // a number, the script says
	return n, values[0], nil
}

func runGroups(ctx context.Context, rdb redis.Scripter, queue, scan, marks string, limit int64) ([]string, error) {
	keys := []string{wire.GroupsKey(queue), wire.SetsKey(queue)}
	return groupsScript.run(ctx, rdb, queue, keys, scan, marks, limit).StringSlice()
}
