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
	// reconnectAfter is how long clients are told to wait before they come back to a stream that broke off.
	reconnectAfter = 2 * time.Second
)

const eventsDescription = "A stream of Server-Sent Events, which ends when the task is over.\n\n" +
	"- `state`: the task, as `GET /v1/tasks/{id}` shows it, on one line: first as it is now, then whenever its state, its attempt or " +
	"`cancel_requested` has changed.\n" +
	"- `progress`: the same, when it is only further on.\n" +
	"- `deleted`: the task is gone: somebody has deleted it, or it was dropped at its end and nobody said how that was. The data is " +
	"`{\"id\": …}`, and the stream ends.\n\n" +
	"A client that is slower than the task gets the newest state and may miss some that came before it. Each event but the last kind has an id, the " +
	"ETag of the task as shown. A client that comes back with it as Last-Event-ID, to whichever server, gets what it does not have: nothing twice, and 204 if " +
	"it has the end, which tells browsers not to come back. Every 15 s without an event there is a comment. Who does not take what is sent is " +
	"cut off."

func (a *API) eventRoutes() []rest.Route {
	return []rest.Route{rest.Handle(rest.Route{Scope: auth.TasksRead, Operation: huma.Operation{
		OperationID: "follow-task", Method: http.MethodGet, Path: "/v1/tasks/{id}/events", Tags: []string{"Tasks"},
		Summary: "Follow a task", Description: eventsDescription,
		Responses: map[string]*huma.Response{
			"200": {
				Description: "What becomes of the task.",
				Headers: map[string]*huma.Header{
					"Cache-Control":     {Description: "no-store", Schema: &huma.Schema{Type: huma.TypeString}},
					"X-Accel-Buffering": {Description: "no, so that proxies hand events on at once.", Schema: &huma.Schema{Type: huma.TypeString}},
				},
				Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
			},
			"204": {Description: "The task is over, and the client has its last event."},
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
	news, stop, err := a.Tasks.Follow(ctx, in.ID)
	if err != nil {
		a.waits.end()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer a.waits.end()
		defer stop()
		now := <-news
		s := &eventStream{w: humaecho.Unwrap(c).Response(), patience: a.Heartbeat, seen: in.LastEventID}
		if now.State.Terminal() && s.has(now) {
			c.SetStatus(http.StatusNoContent)
		} else if s.open() == nil && !rest.IsHead(ctx) {
			a.stream(ctx, s, now, news)
		}
	}}, nil
}

// stream sends what becomes of a task until it is over or gone, the client hangs up or the server stops.
func (a *API) stream(ctx context.Context, s *eventStream, now *task.Task, news <-chan *task.Task) {
	heartbeat := time.NewTicker(a.Heartbeat)
	defer heartbeat.Stop()
	id := now.ID
	for err := s.show(now); err == nil && !now.State.Terminal(); {
		select {
		case t, there := <-news:
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
	// patience is how long the client may take to take an event.
	patience time.Duration
	seen     string // the id of the last event that the client has
	stage    stage  // what that told, if it was sent here
}

// stage is how far a task has come, but for its progress.
type stage struct {
	state           task.State
	attempt         int
	cancelRequested bool
}

// open begins the answer.
func (s *eventStream) open() error {
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back until it has a bufferful
	s.w.WriteHeader(http.StatusOK)
	return s.send(fmt.Appendf(nil, "retry: %d\n\n", reconnectAfter.Milliseconds()))
}

// has reports whether the client has the task as it is.
func (s *eventStream) has(t *task.Task) bool {
	document, err := encodeTask(t)
	return err == nil && versionOfDocument(document) == s.seen
}

// show sends the task, unless the client has it as it is.
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

// send writes to the client at once. The time it has replaces that of http.Server.WriteTimeout, which is for answers that
// end.
func (s *eventStream) send(data []byte) error {
	control := http.NewResponseController(s.w.Writer)        // echo's own tells no errors
	_ = control.SetWriteDeadline(time.Now().Add(s.patience)) // a writer that has none never blocks
	if _, err := s.w.Write(data); err != nil {
		return err
	}
	return control.Flush()
}
