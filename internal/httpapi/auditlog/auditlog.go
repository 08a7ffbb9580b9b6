// Package auditlog records changes through the HTTP API with their callers, and shows them.
package auditlog

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/audit"
	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/guard"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

// Store keeps the newest entries. Its errors have a task.Code.
type Store interface {
	Record(ctx context.Context, e *audit.Entry) error
	// Entries returns a page, newest first, and the cursor of the next, "" if there is none.
	Entries(ctx context.Context, cursor string, limit int) (entries []audit.Entry, next string, err error)
}

// Log is the audit log of the API.
type Log struct {
	Store  Store
	Routes *rest.Table
	// Anonymous records requests without a caller, where no credentials are required.
	Anonymous bool
	Logger    *slog.Logger
}

// Record records requests to routes with an Action when they are answered, refused ones included. Requests without valid
// credentials have changed nothing and have no name, so they are left out, and cannot fill the log. Requests over a rate
// limit are left out too, so that they cost nothing.
func (l *Log) Record(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := l.Routes.Match(c)
		if r == nil || r.Action == "" {
			return next(c)
		}
		return l.recordChange(c, r, next)
	}
}

func (l *Log) recordChange(c echo.Context, route *rest.Route, next echo.HandlerFunc) error {
	r, start := c.Request(), time.Now()
	note := &rest.Note{Target: targetOf(c, route)}
	c.SetRequest(r.WithContext(rest.WithNote(r.Context(), note)))
	if err := next(c); err != nil {
		c.Error(err)
	}
	caller := guard.CallerOf(c)
	if note.Nothing || caller == "" && !l.Anonymous || c.Response().Status == http.StatusTooManyRequests {
		return nil
	}
	l.record(r.Context(), &audit.Entry{
		Time: start, RequestID: rest.RequestID(r.Context()), Principal: cut(caller), Action: route.Action, Target: cut(note.Target),
		Detail: note.Detail, Status: c.Response().Status, RemoteAddr: hostOf(r.RemoteAddr),
	})
	return nil
}

const (
	// auditTimeout bounds how long an answer may wait for its entry.
	auditTimeout = time.Second
	// outageTimeout is auditTimeout for requests that found the store unavailable: their callers have waited already.
	outageTimeout = 200 * time.Millisecond
)

// record writes the log line, and stores the entry if the store is available, whether the client has hung up or not.
func (l *Log) record(ctx context.Context, e *audit.Entry) {
	l.Logger.WithGroup("audit").Info("audit", "action", e.Action, "target", e.Target, "detail", e.Detail, "principal", e.Principal,
		"status", e.Status, "request_id", e.RequestID, "remote_addr", e.RemoteAddr)
	limit := auditTimeout
	if e.Status == http.StatusServiceUnavailable {
		limit = outageTimeout
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if err := l.Store.Record(ctx, e); err != nil {
		l.Logger.Warn("audit entry not stored, only logged", "request_id", e.RequestID, "error", err)
	}
}

// targetOf returns the id or the queue that a request names, or the path where the route is not part of the API.
func targetOf(c echo.Context, r *rest.Route) string {
	if r.IsOwn() {
		return c.Request().URL.Path
	}
	return cmp.Or(c.Param("id"), c.Param("queue"), c.Request().URL.Path)
}

// cut bounds a text of a client.
func cut(text string) string {
	const most = 256
	return strings.ToValidUTF8(text[:min(len(text), most)], "") // perhaps in the middle of a character
}

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}

// Resource returns the route of the log.
func (l *Log) Resource() []rest.Route {
	return []rest.Route{rest.Handle(rest.Route{Scope: auth.Admin, StoreTime: rest.StoreTime, Operation: huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: "/v1/audit", Tags: []string{"Audit"},
		Summary: "List changes",
		Description: "Newest first: changes of schedules and queues, and of existing tasks, with those that were refused. " +
			"Enqueuing tasks is not recorded. The newest 10,000 are kept; the log has them all.",
	}}, l.list)}
}

type listAuditInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many entries at most."`
	Cursor string `query:"cursor" doc:"The next_cursor of the previous page."`
}

type auditDocument struct {
	Time       rest.Timestamp `json:"time" doc:"When the request arrived."`
	RequestID  string         `json:"request_id" doc:"The X-Request-Id of the answer."`
	Principal  *string        `json:"principal" doc:"The caller: key and its name, or jwt and its subject; null where the server needs no credentials." example:"key:ops"`
	Action     string         `json:"action" doc:"The name of the change." example:"task.cancel"`
	Target     string         `json:"target" doc:"The object of the change: an id, a queue, a path, or the filter of a bulk change." example:"order-17"`
	Detail     *string        `json:"detail" doc:"The result of a bulk change." example:"matched=3 changed=3 skipped=0"`
	Status     int            `json:"status" doc:"The status of the answer." example:"200"`
	RemoteAddr string         `json:"remote_addr" doc:"The address that the request came from: that of the last proxy, if there is one." example:"192.0.2.17"`
}

type auditList struct {
	Items      []auditDocument `json:"items" nullable:"false"`
	NextCursor string          `json:"next_cursor,omitempty" doc:"The cursor of the next page; absent on the last one."`
}

type listAuditAnswer struct {
	Body auditList
}

func (l *Log) list(ctx context.Context, in *listAuditInput) (*listAuditAnswer, error) {
	entries, next, err := l.Store.Entries(ctx, in.Cursor, in.Limit)
	if task.CodeOf(err) == task.CodeInvalid {
		return nil, rest.BadCursor()
	}
	if err != nil {
		return nil, err
	}
	items := make([]auditDocument, len(entries))
	for i, e := range entries {
		items[i] = auditDocument{
			Time: rest.Timestamp(e.Time), RequestID: e.RequestID, Principal: rest.OrNil(e.Principal), Action: e.Action, Target: e.Target,
			Detail: rest.OrNil(e.Detail), Status: e.Status, RemoteAddr: e.RemoteAddr,
		}
	}
	return &listAuditAnswer{auditList{items, next}}, nil
}
