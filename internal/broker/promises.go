package broker

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/backbeat-go/backbeat/internal/task"
)

const (
	// promisesBatch is how many callbacks become tasks at once. Each may bring a payload and a result of a megabyte.
	promisesBatch = 32
	// promisesTurn is for how long a worker is left alone with the callbacks of a queue.
	promisesTurn = time.Second
	// promisesInterval is how soon a promise is seen that nobody told of.
	promisesInterval = time.Second
)

// keepPromises makes tasks of the callbacks that are owed for tasks of a queue: when they come to be owed, and every now
// and then, for the worker that was about to may have died.
func (s *Server) keepPromises(ctx context.Context, queue string) {
	var deliveries []any
	for ctx.Err() == nil {
		owed, err := s.exchange(ctx, queue, deliveries)
		deliveries = nil // if the answer was lost, what was not done is owed still
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.Debug("callbacks not made", "queue", queue, "error", err)
		}
		for _, p := range owed {
			deliveries = append(deliveries, s.delivery(queue, p)...)
		}
		if len(owed) > 0 {
			continue
		}
		timer := time.NewTimer(promisesInterval)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.promises[queue]:
		}
		timer.Stop()
	}
}

// promise says that a callback is owed for the end of a task, and how the task was then: the fields of its hash.
type promise struct {
	entry  string
	fields map[string]string
}

// exchange puts deliveries into the queue in place of the promises of them, and returns further promises.
func (s *Server) exchange(ctx context.Context, queue string, deliveries []any) ([]promise, error) {
	keys := []string{promisesKey(queue), promiserKey(queue), pendingKey(queue)}
	args := append([]any{s.id, promisesTurn.Milliseconds(), promisesBatch}, deliveries...)
	reply, err := promisesScript.run(ctx, s.rdb, queue, keys, args...).Slice()
	if err != nil {
		return nil, err
	}
	owed := make([]promise, 0, len(reply))
	for _, entry := range reply {
		parts, _ := entry.([]any)
		if len(parts) != 2 {
			return nil, errors.New("the answer is not that of XRANGE")
		}
		p := promise{fields: make(map[string]string)}
		p.entry, _ = parts[0].(string)
		values, _ := parts[1].([]any)
		for i := 0; i+1 < len(values); i += 2 {
			name, _ := values[i].(string)
			p.fields[name], _ = values[i+1].(string)
		}
		owed = append(owed, p)
	}
	return owed, nil
}

// delivery returns what promises.lua takes in place of a promise: the id and the message of a task. One that nobody can
// read is dropped, for it would hold up the others for good.
func (s *Server) delivery(queue string, p promise) []any {
	t, err := s.deliveryTask(queue, p)
	if err != nil {
		s.cfg.Logger.Error("a callback cannot be made and is dropped", "task", p.fields["id"], "queue", queue, "error", err)
		return []any{p.entry, "", ""}
	}
	return []any{p.entry, t.ID, newMessage(t).encode()}
}

func (s *Server) deliveryTask(queue string, p promise) (*task.Task, error) {
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
	t, ok := s.cfg.Registry.Complete(req, time.Now())
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
