// Package outbox enqueues the callbacks of finished tasks from the callback outboxes of queues.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// relayBatch is how many callbacks one step enqueues. Each may have a payload and a result of a megabyte.
	relayBatch = 32
	// relayTurn is how long one worker has the callback outbox of a queue to itself.
	relayTurn = time.Second
)

// Relay enqueues a task for each entry of the callback outboxes of queues.
type Relay struct {
	rdb      redis.Scripter
	worker   string
	types    *catalog.Catalog
	callback func(t *task.Task, resultOmitted bool) (task.Request, error)
	now      func() time.Time // of Redis
	logger   *slog.Logger
}

// New returns the relay of a worker, which has the id worker.
//   - types complete the requests that callback returns.
//   - callback returns the request for the task that delivers the end of t; resultOmitted: t's result was too large and is
//     left out.
//   - now is the time of Redis.
func New(rdb redis.Scripter, worker string, types *catalog.Catalog,
	callback func(t *task.Task, resultOmitted bool) (task.Request, error), now func() time.Time, logger *slog.Logger) *Relay {
	return &Relay{rdb, worker, types, callback, now, logger}
}

// Step is the result of one step of a relay, with the deliveries that the next step enqueues.
type Step struct {
	Deliveries []script.Delivery
	Damaged    []script.Damaged // of the deliveries of the previous step
}

// Step enqueues the deliveries of the previous step, removes their entries from the outbox, and reads the next entries. On an
// error the entries that were not enqueued are still in the outbox.
func (r *Relay) Step(ctx context.Context, queue string, deliveries []script.Delivery) (Step, error) {
	turn := script.Turn{Worker: r.worker, For: relayTurn, Max: relayBatch}
	entries, damaged, err := script.Relay(ctx, r.rdb, queue, turn, deliveries)
	next := Step{Damaged: damaged}
	for _, e := range entries {
		next.Deliveries = append(next.Deliveries, r.delivery(queue, e))
	}
	return next, err
}

// delivery returns the task that delivers an entry. An entry that cannot be decoded is logged and dropped, since it would
// block the others for good.
func (r *Relay) delivery(queue string, e script.OutboxEntry) script.Delivery {
	t, err := r.deliveryTask(queue, e.Fields)
	if err != nil {
		r.logger.Error("a callback cannot be made and is dropped", "task", e.Fields["id"], "queue", queue, "error", err)
		return script.Delivery{EntryID: e.ID}
	}
	return script.Delivery{EntryID: e.ID, TaskID: t.ID, Message: wire.NewMessage(t).Encode()}
}

func (r *Relay) deliveryTask(queue string, fields map[string]string) (*task.Task, error) {
	ended, ok := wire.RecordOf(queue, fields["id"], fields)
	if !ok || ended.Message.Callback() == nil {
		return nil, errors.New("the entry has no callback")
	}
	req, err := r.callback(ended.Task(), fields["omitted"] == wire.FieldResult)
	if err != nil {
		return nil, err
	}
	// The id cannot be guessed, so no other task can have it. It has no dot, which separates the fields that receivers verify.
	req.ID = strings.ReplaceAll(ended.ID, ".", "_") + ":callback:" + uuid.Must(uuid.NewV7()).String()
	req.Queue = queue
	t, ok := r.types.Complete(req, r.now())
	if !ok {
		return nil, errors.New("there is no task type " + req.Type)
	}
	return t, nil
}
