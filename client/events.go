package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/tmaxmax/go-sse"
)

// maxEvent bounds what an event may hold. It is far beyond the payload and result that any API takes.
const maxEvent = 64 << 20

// Events follows a task: it yields the task as it is now, then as it is after each change of its state and its progress,
// and ends when the task is over. Changes in quick succession may come as one. A stream that breaks is taken up again where
// it broke. An error ends it: ctx's, or ErrNotFound for a task that is not there any more.
func (c *Client) Events(ctx context.Context, id string) iter.Seq2[*Task, error] {
	return func(yield func(*Task, error) bool) {
		s := &stream{c: c, id: id, yield: yield, call: get(taskPath(id)+"/events", nil)}
		s.call.patient, s.call.header = true, http.Header{"Accept": {"text/event-stream"}}
		for !s.done {
			err := s.follow(ctx)
			if s.done {
				return
			}
			if err := s.call.again(ctx, err, s.failures); err != nil {
				yield(nil, fmt.Errorf("follow task %s: %w", id, err))
				return
			}
			s.failures++
		}
	}
}

// stream is one iteration over Events, across connections.
type stream struct {
	c     *Client
	id    string
	yield func(*Task, error) bool
	call  *call
	// failures counts the connections since the last event.
	failures int
	done     bool
}

// follow reads one connection to its end. It returns why that came, unless the stream is done.
func (s *stream) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A connection that was cut off on the way breaks for nobody, but its heartbeats stay away.
	alarm := time.AfterFunc(s.c.silence, func() { cancel(errSilent) })
	defer alarm.Stop()
	err := s.read(ctx, alarm)
	if errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	return err
}

var errSilent = errors.New("the stream has fallen silent")

func (s *stream) read(ctx context.Context, alarm *time.Timer) error {
	res, err := s.c.open(ctx, s.call)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	for event, err := range sse.Read(&signOfLife{res.Body, alarm, s.c.silence}, &sse.ReadConfig{MaxEventSize: maxEvent}) {
		if err == nil {
			err = s.take(event)
		}
		if err != nil || s.done {
			return err
		}
	}
	return io.ErrUnexpectedEOF
}

// take passes an event on. An error means that the connection is broken, or the task gone.
func (s *stream) take(event sse.Event) error {
	if event.Type == "deleted" {
		return (&problem{Detail: "the task was deleted"}).of(s.call, http.StatusNotFound)
	}
	var t Task
	if err := json.Unmarshal([]byte(event.Data), &t); err != nil {
		return err // it was cut off in the middle
	}
	s.failures = 0
	s.call.header.Set("Last-Event-Id", event.LastEventID)
	s.done = !s.yield(&t, nil) || t.State.Terminal()
	return nil
}

// signOfLife puts an alarm off whenever something arrives.
type signOfLife struct {
	io.Reader
	alarm *time.Timer
	after time.Duration
}

func (r *signOfLife) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.alarm.Reset(r.after)
	return n, err
}
