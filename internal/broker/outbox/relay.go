package outbox

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const (
	// relayBatch is how many callbacks become tasks at once. Each may bring a payload and a result of a megabyte.
	relayBatch = 32
	// relayTurn is for how long a worker is left alone with the callbacks of a queue.
	relayTurn = time.Second
)

// relay makes tasks of the entries in the callback outboxes of queues.
type Relay struct {
	rdb      redis.Scripter
	worker   string
	types    *catalog.Catalog
	callback func(t *task.Task, resultOmitted bool) (task.Request, error)
	now      func() time.Time // of Redis
	logger   *slog.Logger
}

// newRelay returns the relay of a worker.
//   - types complete the requests for callbacks.
//   - callback asks for the task that delivers the end of another; its result may have been omitted as too large.
//   - now is the time of Redis.
func New(rdb redis.Scripter, worker string, types *catalog.Catalog,
	callback func(t *task.Task, resultOmitted bool) (task.Request, error), now func() time.Time, logger *slog.Logger) *Relay {
	return &Relay{rdb, worker, types, callback, now, logger}
}

// Step is what a step of a relay has read, for the next step to put into the queue.
type Step struct {
	Deliveries []script.Delivery
	Damaged    []script.Damaged // of the deliveries of the step before
}

// Step puts the deliveries of the step before into the queue in place of their entries, and reads the next ones. If it fails,
// what was not done is still in the outbox.
func (r *Relay) Step(ctx context.Context, queue string, deliveries []script.Delivery) (Step, error) {
	turn := script.Turn{Worker: r.worker, For: relayTurn, Max: relayBatch}
	entries, damaged, err := script.Relay(ctx, r.rdb, queue, turn, deliveries)
	next := Step{Damaged: damaged}
	for _, e := range entries {
		next.Deliveries = append(next.Deliveries, r.delivery(queue, e))
	}
	return next, err
}

// delivery returns the task that makes the callback of an entry. An entry that cannot be read is dropped, since it would hold
// up the others for good.
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
		return nil, errors.New("the entry does not say whom to call")
	}
	req, err := r.callback(ended.Task(), fields["omitted"] == wire.FieldResult)
	if err != nil {
		return nil, err
	}
	// The id cannot be guessed, and so not be taken. It has no dot, which parts the fields of what receivers verify.
	req.ID = strings.ReplaceAll(ended.ID, ".", "_") + ":callback:" + uuid.Must(uuid.NewV7()).String()
	req.Queue = queue
	t, ok := r.types.Complete(req, r.now())
	if !ok {
		return nil, errors.New("there is no task type " + req.Type)
	}
	return t, nil
}
