package script

import (
	"context"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
	"github.com/redis/go-redis/v9"
)

const (
	// adoptBatch is how many archived tasks are looked at in one step.
	adoptBatch = 100
	// adoptWait bounds the work on one queue in one round.
	adoptWait = 5 * time.Second
)

// AdoptAll goes through the tasks of a queue that were archived so long ago and that it has not seen yet.
func AdoptAll(ctx context.Context, rdb redis.Scripter, queue string, age time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, adoptWait)
	defer cancel()
	args := []any{int(age.Seconds()), adoptBatch, ""}
	for {
		reply, err := adoptScript.Run(ctx, rdb, queue, []string{wire.ArchivedKey(queue), wire.AdoptedKey(queue)}, args...).StringSlice()
		if err != nil {
			return redisconn.Coded(err)
		}
		if reply[0] == "" {
			return nil
		}
		args = append(args[:2], reply[0])
		for i := 1; i+2 < len(reply); i += 3 {
			args = append(args, reply[i], reply[i+1], retentionOf(reply[i+2]))
		}
	}
}

// retentionOf is the retention of an archived task, as scripts take it. A message that nobody can read is of a stock client.
func retentionOf(raw string) int64 {
	m, err := wire.DecodeMessage([]byte(raw))
	if err != nil {
		m = &wire.Message{}
	}
	return m.RetentionMillis(task.Failed)
}
