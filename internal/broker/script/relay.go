package script

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

var relayScript = named("relay")

// OutboxEntry says that a task with a callback has ended, and how the task was then.
type OutboxEntry struct {
	ID     string            // of the entry
	Fields map[string]string // of the task's hash, and its id
}

// Delivery is the task that makes a callback, in place of an entry.
type Delivery struct {
	EntryID string
	TaskID  string // "" drops the entry
	Message []byte
}

// Turn is for how long one worker relays the callbacks of a queue, unless it comes back for more.
type Turn struct {
	Worker string
	For    time.Duration
	Max    int // entries to return
}

// Relay puts deliveries into a queue in place of their entries in the callback outbox, and returns further entries, none if it
// is another worker's turn. Damaged are deliveries that could not be enqueued.
func Relay(
	ctx context.Context, rdb redis.Scripter, queue string, turn Turn, deliveries []Delivery,
) (entries []OutboxEntry, damaged []Damaged, err error) {
	keys := []string{wire.PromisesKey(queue), wire.PromiserKey(queue), wire.PendingKey(queue)}
	args := []any{turn.Worker, turn.For.Milliseconds(), turn.Max}
	for _, d := range deliveries {
		args = append(args, d.EntryID, d.TaskID, d.Message)
	}
	reply, err := relayScript.run(ctx, rdb, queue, keys, args...).Slice()
	if err != nil {
		return nil, nil, err
	}
	list, _ := reply[0].([]any)
	for _, entry := range list {
		parts, _ := entry.([]any)
		if len(parts) != 2 {
			return nil, nil, errors.New("the answer is not that of XRANGE")
		}
		e := OutboxEntry{ID: text(parts[0]), Fields: make(map[string]string)}
		values, _ := parts[1].([]any)
		for i := 0; i+1 < len(values); i += 2 {
			e.Fields[text(values[i])] = text(values[i+1])
		}
		entries = append(entries, e)
	}
	return entries, damagedOf(reply[1:]), nil
}
