package script

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

var (
	cancelScript = named("cancel")
	retryScript  = named("retry")
	runScript    = named("run")
	deleteScript = named("delete")

	// bulkScripts do to many tasks what the scripts of single tasks do to one.
	bulkScripts = map[fleet.Action]script{
		fleet.ActionCancel: {scripts.Around("bulk", "cancel")},
		fleet.ActionRetry:  {scripts.Around("bulk", "retry")},
		fleet.ActionDelete: {scripts.Around("bulk", "delete")},
	}
)

// Reply is the answer to a script that changes one task: one of the constants below, or the state, in asynq's words, that did
// not allow the change, "" if there is no task.
type Reply string

// Replies that are no state.
const (
	Done      Reply = "ok"
	Requested Reply = "requested" // the task runs, and its worker is asked to stop
	Already   Reply = "already"   // the task is canceled already
	Changed   Reply = "changed"   // the task is another than the caller saw
)

// Cancel cancels a task: at once if it does not run, else by a flag that outlives its worker. Retention is in ms, as
// Message.RetentionMillis returns it. Reply: Done, Requested, Already, or a state.
func Cancel(ctx context.Context, rdb redis.Scripter, queue, id string, retention int64) (Reply, error) {
	return reply(cancelScript.run(ctx, rdb, queue, []string{wire.TaskKey(queue, id)}, id, retention))
}

// Retry puts a failed, canceled or expired task back into its queue. Reply: Done, Changed, or a state.
func Retry(ctx context.Context, rdb redis.Scripter, r *wire.Record) (Reply, error) {
	return reply(retryScript.run(ctx, rdb, r.Queue, []string{wire.TaskKey(r.Queue, r.ID)}, r.ID, r.Raw, r.Renewed(), r.Attempts()))
}

// Run moves a task that waits for its time, or in a group, into the queue now. Reply: Done or a state.
func Run(ctx context.Context, rdb redis.Scripter, queue, id string) (Reply, error) {
	return reply(runScript.run(ctx, rdb, queue, []string{wire.TaskKey(queue, id)}, id))
}

// Delete deletes a task that does not run. Reply: Done or a state.
func Delete(ctx context.Context, rdb redis.Scripter, queue, id string) (Reply, error) {
	return reply(deleteScript.run(ctx, rdb, queue, []string{wire.TaskKey(queue, id)}, id))
}

func reply(cmd *redis.Cmd) (Reply, error) {
	answer, err := cmd.Text()
	return Reply(answer), err
}

// Bulk is a change of many tasks of one queue.
type Bulk struct {
	Action fleet.Action
	// State is the state, in asynq's words, that a task must have; "" for any that allows the action.
	State string
	// Outcome is, of archived tasks, task.Canceled or task.Expired if they must have ended so; "" if they must have failed.
	Outcome task.State
	// Window is how many tasks of the list the pending ones were chosen from, one after the other.
	Window int
}

// Run takes the action on tasks, one at least. It returns a Reply for each, Changed also for a task that is in another state,
// and "error" for one that Redis refused.
func (b Bulk) Run(ctx context.Context, rdb redis.Scripter, queue string, records []*wire.Record) ([]Reply, error) {
	args := []any{b.State, string(b.Outcome), b.Window, 0}
	for _, r := range records {
		args = b.appendArgs(args, r)
	}
	args[3] = (len(args) - 4) / len(records)
	answers, err := bulkScripts[b.Action].run(ctx, rdb, queue, []string{wire.PendingKey(queue)}, args...).StringSlice()
	replies := make([]Reply, len(answers))
	for i, answer := range answers {
		replies[i] = Reply(answer)
	}
	return replies, err
}

// appendArgs appends what the script of the action takes for a task.
func (b Bulk) appendArgs(args []any, r *wire.Record) []any {
	switch b.Action {
	case fleet.ActionCancel:
		return append(args, r.ID, r.Message.RetentionMillis(task.Canceled))
	case fleet.ActionRetry:
		return append(args, r.ID, r.Raw, r.Renewed(), r.Attempts())
	default:
		return append(args, r.ID)
	}
}
