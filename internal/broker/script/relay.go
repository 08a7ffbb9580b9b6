package script

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

var relayScript = named("relay")

// OutboxEntry says that a task has ended.
type OutboxEntry struct {
	ID string // of the entry
	// Fields are, of a task with a callback, the fields of its hash and its id; of a task of a schedule schedule, id and state.
	Fields map[string]string
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
	keys := []string{wire.CallbacksKey(queue), wire.RelayKey(queue), wire.PendingKey(queue)}
	args := []any{turn.Worker, turn.For.Milliseconds(), turn.Max}
	for _, d := range deliveries {
		args = append(args, d.EntryID, d.TaskID, d.Message)
	}
	reply, err := relayScript.run(ctx, rdb, queue, keys, args...).Slice()
	if err != nil {
		return nil, nil, err
	}
	entries, err = entriesOf(reply[0])
	return entries, damagedOf(reply[1:]), err
}

// entriesOf reads the answer of XRANGE.
func entriesOf(reply any) ([]OutboxEntry, error) {
	list, _ := reply.([]any)
	entries := make([]OutboxEntry, len(list))
	for i, entry := range list {
		parts, _ := entry.([]any)
		if len(parts) != 2 {
			return nil, errors.New("the answer is not that of XRANGE")
		}
		entries[i] = OutboxEntry{ID: text(parts[0]), Fields: make(map[string]string)}
		values, _ := parts[1].([]any)
		for k := 0; k+1 < len(values); k += 2 {
			entries[i].Fields[text(values[k])] = text(values[k+1])
		}
	}
	return entries, nil
}
