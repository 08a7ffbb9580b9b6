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

// maxEvent bounds the size of an event, in bytes. It is far larger than any payload and result that an API accepts.
const maxEvent = 64 << 20

// Events follows a task: it yields the current task, then the task after each change of state or progress, and ends when
// the task has finished. Changes in quick succession may be combined. A broken stream is resumed where it broke. An error
// ends the iteration: that of ctx, or ErrNotFound for a task that no longer exists.
func (c *Client) Events(ctx context.Context, id string) iter.Seq2[*Task, error] {
	return func(yield func(*Task, error) bool) {
		s := &stream{c: c, id: id, yield: yield, call: get(taskPath(id)+"/events", nil)}
		s.call.patient, s.call.header = true, http.Header{"Accept": {"text/event-stream"}}
		for !s.done {
			err := s.follow(ctx)
			if s.done {
				return
			}
			if err := s.call.awaitRetry(ctx, err, s.failures); err != nil {
				yield(nil, fmt.Errorf("follow task %s: %w", id, err))
				return
			}
			s.failures++
		}
	}
}

// stream is one iteration of Events. It may use several connections.
type stream struct {
	c     *Client
	id    string
	yield func(*Task, error) bool
	call  *call
	// failures counts the failed connections since the last event.
	failures int
	done     bool
}

// follow reads one connection to its end. Unless the stream is done, it returns why the connection ended.
func (s *stream) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A lost connection may not return an error, but no more heartbeats arrive on it.
	timer := time.AfterFunc(s.c.silence, func() { cancel(errSilent) })
	defer timer.Stop()
	err := s.read(ctx, timer)
	if errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	return err
}

var errSilent = errors.New("no data arrives on the stream")

func (s *stream) read(ctx context.Context, timer *time.Timer) error {
	res, err := s.c.open(ctx, s.call)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	for event, err := range sse.Read(&timerReader{res.Body, timer, s.c.silence}, &sse.ReadConfig{MaxEventSize: maxEvent}) {
		if err == nil {
			err = s.handle(event)
		}
		if err != nil || s.done {
			return err
		}
	}
	return io.ErrUnexpectedEOF
}

// handle yields the task of an event. It returns an error if the event is truncated or the task was deleted.
func (s *stream) handle(event sse.Event) error {
	if event.Type == "deleted" {
		return (&problem{Detail: "the task was deleted"}).of(s.call, http.StatusNotFound)
	}
	var t Task
	if err := json.Unmarshal([]byte(event.Data), &t); err != nil {
		return err // truncated
	}
	s.failures = 0
	s.call.header.Set("Last-Event-Id", event.LastEventID)
	s.done = !s.yield(&t, nil) || t.State.Terminal()
	return nil
}

// timerReader resets a timer after each read.
type timerReader struct {
	io.Reader
	timer *time.Timer
	after time.Duration
}

func (r *timerReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.timer.Reset(r.after)
	return n, err
}
