package script

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/task"
)

var (
	awaitScript    = named("await")
	progressScript = named("progress")
)

// Await marks a task as watched: what becomes of it is announced, or its end only. It returns asynq's state of the task, ""
// if there is none.
func Await(ctx context.Context, rdb redis.Scripter, queue, id, mark string) (state string, err error) {
	return awaitScript.run(ctx, rdb, queue, []string{wire.TaskKey(queue, id)}, mark).Text()
}

// Progress stores how far an attempt has come, if it is the newest of its task and runs.
func Progress(ctx context.Context, rdb redis.Scripter, queue, id string, attempt int, report task.Report) error {
	return progressScript.run(ctx, rdb, queue, []string{wire.TaskKey(queue, id)}, attempt, wire.EncodeProgress(report), id).Err()
}
