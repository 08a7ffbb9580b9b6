package tasks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// defaultHeartbeat is what Config.Heartbeat is unless it is set.
	defaultHeartbeat = 15 * time.Second
	// reconnectAfter is how long clients wait before they reconnect to a stream that broke off.
	reconnectAfter = 2 * time.Second
)

const eventsDescription = "A stream of Server-Sent Events, which ends when the task has finished.\n\n" +
	"- `state`: the task, as `GET /v1/tasks/{id}` shows it, on one line: first the current one, then one whenever its state, its attempt or " +
	"`cancel_requested` has changed.\n" +
	"- `progress`: the same, when only its progress has changed.\n" +
	"- `deleted`: the task is gone: it was deleted, or it was not retained and its end is not known. The data is " +
	"`{\"id\": …}`, and the stream ends.\n\n" +
	"A client that is slower than the task gets the newest state and may miss earlier ones. Each event except `deleted` has an id, the " +
	"ETag of the task as shown. A client that reconnects with it as Last-Event-ID, to any server, gets only the events that it does not have, and 204 if " +
	"it has the last one, which stops browsers from reconnecting. Every 15 s without an event there is a comment. A client that does not read what is sent " +
	"is disconnected."

func (a *API) eventRoutes() []rest.Route {
	return []rest.Route{rest.Handle(rest.Route{Scope: auth.TasksRead, Operation: huma.Operation{
		OperationID: "follow-task", Method: http.MethodGet, Path: "/v1/tasks/{id}/events", Tags: []string{"Tasks"},
		Summary: "Follow a task", Description: eventsDescription,
		Responses: map[string]*huma.Response{
			"200": {
				Description: "The events of the task.",
				Headers: map[string]*huma.Header{
					"Cache-Control":     {Description: "no-store", Schema: &huma.Schema{Type: huma.TypeString}},
					"X-Accel-Buffering": {Description: "no, so that proxies forward events at once.", Schema: &huma.Schema{Type: huma.TypeString}},
				},
				Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
			},
			"204": {Description: "The task has finished, and the client has its last event."},
		},
		Errors: []int{http.StatusNotFound, http.StatusTooManyRequests},
	}}, a.followTask)}
}

type followInput struct {
	ID          string `path:"id" doc:"The id of the task." example:"order-17"`
	LastEventID string `header:"Last-Event-ID" doc:"The id of the last event that the client has."`
}

func (a *API) followTask(ctx context.Context, in *followInput) (*huma.StreamResponse, error) {
	if !a.waits.begin() {
		return nil, errTooManyWaits()
	}
	updates, stop, err := a.Tasks.Follow(ctx, in.ID)
	if err != nil {
		a.waits.end()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer a.waits.end()
		defer stop()
		now := <-updates
		s := &eventStream{w: humaecho.Unwrap(c).Response(), patience: a.Heartbeat, seen: in.LastEventID}
		if now.State.Terminal() && s.has(now) {
			c.SetStatus(http.StatusNoContent)
		} else if s.open() == nil && !rest.IsHead(ctx) {
			a.stream(ctx, s, now, updates)
		}
	}}, nil
}

// stream sends the changes of a task until it has finished or is gone, the client hangs up or the server stops.
func (a *API) stream(ctx context.Context, s *eventStream, now *task.Task, updates <-chan *task.Task) {
	heartbeat := time.NewTicker(a.Heartbeat)
	defer heartbeat.Stop()
	id := now.ID
	for err := s.show(now); err == nil && !now.State.Terminal(); {
		select {
		case t, there := <-updates:
			if !there {
				_ = s.deleted(id) // the client has gone as well
				return
			}
			now, err = t, s.show(t)
		case <-heartbeat.C:
			err = s.comment("still there")
		case <-a.Stopping:
			_ = s.comment("the server stops") // the client has gone as well
			return
		case <-ctx.Done():
			return
		}
	}
}

// eventStream writes Server-Sent Events about one task.
type eventStream struct {
	w *echo.Response
	// patience is how long the client may take to receive an event.
	patience time.Duration
	seen     string // the id of the last event that the client has
	stage    stage  // of that event, if it was sent here
}

// stage is the part of a task whose changes are events of the kind state.
type stage struct {
	state           task.State
	attempt         int
	cancelRequested bool
}

// open starts the answer.
func (s *eventStream) open() error {
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back until it has a bufferful
	s.w.WriteHeader(http.StatusOK)
	return s.send(fmt.Appendf(nil, "retry: %d\n\n", reconnectAfter.Milliseconds()))
}

// has reports whether the client has the current task.
func (s *eventStream) has(t *task.Task) bool {
	document, err := encodeTask(t)
	return err == nil && versionOfDocument(document) == s.seen
}

// show sends the task, unless the client has it.
func (s *eventStream) show(t *task.Task) error {
	document, err := encodeTask(t)
	if err != nil {
		return err
	}
	kind, now := "state", stage{t.State, t.TotalAttempts, t.CancelRequested}
	if now == s.stage {
		kind = "progress"
	}
	s.stage = now
	version := versionOfDocument(document)
	if version == s.seen {
		return nil
	}
	s.seen = version
	return s.send(fmt.Appendf(nil, "id: %s\nevent: %s\ndata: %s\n\n", version, kind, bytes.TrimSpace(document)))
}

func (s *eventStream) deleted(id string) error {
	data, err := json.Marshal(map[string]string{"id": id})
	if err != nil {
		return err
	}
	return s.send(fmt.Appendf(nil, "event: deleted\ndata: %s\n\n", data))
}

func (s *eventStream) comment(text string) error { return s.send([]byte(": " + text + "\n\n")) }

// send writes to the client at once. Its time limit replaces http.Server.WriteTimeout, which is for answers that end.
func (s *eventStream) send(data []byte) error {
	control := http.NewResponseController(s.w.Writer)        // echo's own returns no errors
	_ = control.SetWriteDeadline(time.Now().Add(s.patience)) // a writer without deadlines never blocks
	if _, err := s.w.Write(data); err != nil {
		return err
	}
	return control.Flush()
}
