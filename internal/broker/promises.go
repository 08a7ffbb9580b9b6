package broker

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/backbeat-go/backbeat/task"
)

const (
	// relayBatch is how many callbacks become tasks at once. Each may bring a payload and a result of a megabyte.
	relayBatch = 32
	// relayTurn is for how long a worker is left alone with the callbacks of a queue.
	relayTurn = time.Second
)

// relay makes tasks of entries in the callback outbox of a queue: those that were read the last time. It reads the next ones.
func (m *maintainer) relay(ctx context.Context, u *upkeep) (time.Duration, error) {
	entries, err := m.readOutbox(ctx, u.name, u.deliveries)
	u.deliveries = nil // if the answer was lost, what was not done is in the outbox still
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		u.deliveries = append(u.deliveries, m.delivery(u.name, e)...)
	}
	if len(entries) > 0 {
		return 0, nil
	}
	return -1, nil
}

// outboxEntry says that the end of a task has a callback, and how the task was then: the fields of its hash.
type outboxEntry struct {
	entry  string
	fields map[string]string
}

// readOutbox puts deliveries into the queue in place of their entries, and returns further entries.
func (m *maintainer) readOutbox(ctx context.Context, queue string, deliveries []any) ([]outboxEntry, error) {
	keys := []string{promisesKey(queue), promiserKey(queue), pendingKey(queue)}
	args := append([]any{m.id, relayTurn.Milliseconds(), relayBatch}, deliveries...)
	reply, err := promisesScript.run(ctx, m.rdb, queue, keys, args...).Slice()
	if err != nil {
		return nil, err
	}
	m.logDamaged(queue, reply[1:])
	list, _ := reply[0].([]any)
	entries := make([]outboxEntry, 0, len(list))
	for _, entry := range list {
		parts, _ := entry.([]any)
		if len(parts) != 2 {
			return nil, errors.New("the answer is not that of XRANGE")
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
	return entries, nil
}

// delivery returns what promises.lua takes in place of an entry: the id and the message of a task. One that nobody can
// read is dropped, for it would hold up the others for good.
func (s *Server) delivery(queue string, p outboxEntry) []any {
	t, err := s.deliveryTask(queue, p)
	if err != nil {
		s.cfg.Logger.Error("a callback cannot be made and is dropped", "task", p.fields["id"], "queue", queue, "error", err)
		return []any{p.entry, "", ""}
	}
	return []any{p.entry, t.ID, newMessage(t).encode()}
}

func (s *Server) deliveryTask(queue string, p outboxEntry) (*task.Task, error) {
	r, ok := recordOf(queue, p.fields["id"], p.fields)
	if !ok || r.message.callback() == nil {
		return nil, errors.New("what is written down of the task does not say whom to call")
	}
	req, err := s.cfg.Callback(r.task(), p.fields["omitted"] == fieldResult)
	if err != nil {
		return nil, err
	}
	// Nobody can guess it, and so nobody can take it. It has no dot, which parts the fields of what receivers verify.
	req.ID = strings.ReplaceAll(r.id, ".", "_") + ":callback:" + uuid.Must(uuid.NewV7()).String()
	req.Queue = queue
	t, ok := s.cfg.Types.Complete(req, s.lane.clock.Now())
	if !ok {
		return nil, errors.New("there is no task type " + req.Type)
	}
	return t, nil
}

// encodeCallback writes a callback for the header of a message: the events, a space and the URL.
func encodeCallback(c *task.Callback) string { return joinEvents(c) + " " + c.URL }

// callback returns nil if nobody is to be told.
func (m *message) callback() *task.Callback {
	events, url, ok := strings.Cut(m.Headers.get(headerCallback), " ")
	if !ok {
		return nil
	}
	c := &task.Callback{URL: url}
	for event := range strings.SplitSeq(events, ",") {
		c.Events = append(c.Events, task.State(event))
	}
	return c
}

// joinEvents writes the events of a callback as the scripts read them, "" for no callback.
func joinEvents(c *task.Callback) string {
	if c == nil {
		return ""
	}
	names := make([]string, len(c.Events))
	for i, event := range c.Events {
		names[i] = string(event)
	}
	return strings.Join(names, ",")
}

// eventsOf is joinEvents for a message that is encoded. Few have a callback, and only those are read.
func eventsOf(encoded []byte) string {
	if !bytes.Contains(encoded, []byte(headerCallback)) {
		return ""
	}
	m, err := decodeMessage(encoded)
	if err != nil {
		return ""
	}
	return joinEvents(m.callback())
}
