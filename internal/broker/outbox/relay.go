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

// relayed is what a step of a relay has read, for the next step to put into the queue, and the damaged entries: id and error
// in turn.
type Step struct {
	Deliveries []any
	Damaged    []any
}

// step puts the deliveries of the last step into the queue in place of their entries, and reads the next ones. If it fails,
// what was not done is still in the outbox.
func (r *Relay) Step(ctx context.Context, queue string, deliveries []any) (Step, error) {
	entries, damaged, err := r.readOutbox(ctx, queue, deliveries)
	next := Step{Damaged: damaged}
	for _, e := range entries {
		next.Deliveries = append(next.Deliveries, r.delivery(queue, e)...)
	}
	return next, err
}

// outboxEntry says that the end of a task has a callback, and how the task was then: the fields of its hash.
type outboxEntry struct {
	entry  string
	fields map[string]string
}

// readOutbox puts deliveries into the queue in place of their entries, and returns further entries.
func (r *Relay) readOutbox(ctx context.Context, queue string, deliveries []any) (entries []outboxEntry, damaged []any, err error) {
	keys := []string{wire.PromisesKey(queue), wire.PromiserKey(queue), wire.PendingKey(queue)}
	args := append([]any{r.worker, relayTurn.Milliseconds(), relayBatch}, deliveries...)
	reply, err := script.PromisesScript.Run(ctx, r.rdb, queue, keys, args...).Slice()
	if err != nil {
		return nil, nil, err
	}
	list, _ := reply[0].([]any)
	entries = make([]outboxEntry, 0, len(list))
	for _, entry := range list {
		parts, _ := entry.([]any)
		if len(parts) != 2 {
			return nil, nil, errors.New("the answer is not that of XRANGE")
		}
		e := outboxEntry{fields: make(map[string]string)}
		e.entry, _ = parts[0].(string)
		values, _ := parts[1].([]any)
		for i := 0; i+1 < len(values); i += 2 {
			name, _ := values[i].(string)
			e.fields[name], _ = values[i+1].(string)
		}
		entries = append(entries, e)
	}
	return entries, reply[1:], nil
}

// delivery returns what promises.lua takes in place of an entry: the id and the message of a task. One that nobody can
// read is dropped, for it would hold up the others for good.
func (r *Relay) delivery(queue string, p outboxEntry) []any {
	t, err := r.deliveryTask(queue, p)
	if err != nil {
		r.logger.Error("a callback cannot be made and is dropped", "task", p.fields["id"], "queue", queue, "error", err)
		return []any{p.entry, "", ""}
	}
	return []any{p.entry, t.ID, wire.NewMessage(t).Encode()}
}

func (r *Relay) deliveryTask(queue string, p outboxEntry) (*task.Task, error) {
	ended, ok := wire.RecordOf(queue, p.fields["id"], p.fields)
	if !ok || ended.Message.Callback() == nil {
		return nil, errors.New("what is written down of the task does not say whom to call")
	}
	req, err := r.callback(ended.Task(), p.fields["omitted"] == wire.FieldResult)
	if err != nil {
		return nil, err
	}
	// Nobody can guess it, and so nobody can take it. It has no dot, which parts the fields of what receivers verify.
	req.ID = strings.ReplaceAll(ended.ID, ".", "_") + ":callback:" + uuid.Must(uuid.NewV7()).String()
	req.Queue = queue
	t, ok := r.types.Complete(req, r.now())
	if !ok {
		return nil, errors.New("there is no task type " + req.Type)
	}
	return t, nil
}
