package httpapi

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/audit"
	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/task"
)

// AuditLog keeps the newest entries of the audit log. Its errors bear a task.Code.
type AuditLog interface {
	Record(ctx context.Context, e *audit.Entry) error
	// Entries returns a page, newest first, and the cursor of the next, "" if there is none.
	Entries(ctx context.Context, cursor string, limit int) (entries []audit.Entry, next string, err error)
}

// auditNote is what a handler adds to the entry of its request.
type auditNote struct {
	target, detail string
	nothing        bool // there is nothing to record
}

type auditNoteKey struct{}

// noteOf returns the note of a request that is audited.
func noteOf(ctx context.Context) *auditNote {
	note, _ := ctx.Value(auditNoteKey{}).(*auditNote)
	return note
}

// audit records requests that change something once they are answered, those that were refused too. Who did not show who
// it is has changed nothing and can not be named, so that is left out: nobody else may fill the log. What came over a limit
// is left out too, for it is not to cost anything.
func (a *api) audit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := a.table.match(c)
		if r == nil || r.Action == "" {
			return next(c)
		}
		return a.recordChange(c, r, next)
	}
}

func (a *api) recordChange(c echo.Context, route *Route, next echo.HandlerFunc) error {
	r, start := c.Request(), time.Now()
	note := &auditNote{target: targetOf(c, route)}
	c.SetRequest(r.WithContext(context.WithValue(r.Context(), auditNoteKey{}, note)))
	if err := next(c); err != nil {
		c.Error(err)
	}
	caller := callerOf(c)
	if note.nothing || caller == "" && a.Auth != nil || c.Response().Status == http.StatusTooManyRequests {
		return nil
	}
	a.record(r.Context(), &audit.Entry{
		Time: start, RequestID: requestID(r.Context()), Principal: cut(caller), Action: route.Action, Target: cut(note.target),
		Detail: note.detail, Status: c.Response().Status, RemoteAddr: hostOf(r.RemoteAddr),
	})
	return nil
}

const (
	// auditTimeout bounds how long an answer may wait for its entry.
	auditTimeout = time.Second
	// outageTimeout is auditTimeout for requests that found the store away: its callers have waited already.
	outageTimeout = 200 * time.Millisecond
)

// record writes the log line, whatever becomes of the entry. A client that has hung up does not keep it from being
// written.
func (a *api) record(ctx context.Context, e *audit.Entry) {
	a.Logger.WithGroup("audit").Info("audit", "action", e.Action, "target", e.Target, "detail", e.Detail, "principal", e.Principal,
		"status", e.Status, "request_id", e.RequestID, "remote_addr", e.RemoteAddr)
	limit := auditTimeout
	if e.Status == http.StatusServiceUnavailable {
		limit = outageTimeout
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if err := a.Audit.Record(ctx, e); err != nil {
		a.Logger.Warn("audit entry not stored, only logged", "request_id", e.RequestID, "error", err)
	}
}

// targetOf returns the id or the queue that a request names, and the path where the route is not one of ours.
func targetOf(c echo.Context, r *Route) string {
	if r.isOwn {
		return c.Request().URL.Path
	}
	return cmp.Or(c.Param("id"), c.Param("queue"), c.Request().URL.Path)
}

// cut bounds what a client has chosen.
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

func (a *api) auditRoutes() []Route {
	return []Route{Handle(Route{Scope: auth.Admin, StoreTime: storeTime, Operation: huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: "/v1/audit", Tags: []string{"Audit"},
		Summary: "See who changed what",
		Description: "Newest first: changes of schedules and queues, and of tasks that were there, with those that were refused. " +
			"Handing tasks in is not recorded. The newest 10,000 are kept; the log has them all.",
	}}, a.listAudit)}
}

type listAuditInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many entries at most."`
	Cursor string `query:"cursor" doc:"The next_cursor of the page before."`
}

type auditDocument struct {
	Time       timestamp `json:"time" doc:"When the request came."`
	RequestID  string    `json:"request_id" doc:"The X-Request-Id of the answer."`
	Principal  *string   `json:"principal" doc:"Who asked: key and its name, or jwt and its subject; null where the server asks nobody." example:"key:ops"`
	Action     string    `json:"action" doc:"What was asked for." example:"task.cancel"`
	Target     string    `json:"target" doc:"What it was to be done to: an id, a queue, a path, or the filter of a bulk change." example:"order-17"`
	Detail     *string   `json:"detail" doc:"What came of a bulk change." example:"matched=3 changed=3 skipped=0"`
	Status     int       `json:"status" doc:"The status of the answer." example:"200"`
	RemoteAddr string    `json:"remote_addr" doc:"Where the request came from: the last proxy, if there is one." example:"192.0.2.17"`
}

type auditList struct {
	Items      []auditDocument `json:"items" nullable:"false"`
	NextCursor string          `json:"next_cursor,omitempty" doc:"Where the next page begins; absent on the last one."`
}

type listAuditAnswer struct {
	Body auditList
}

func (a *api) listAudit(ctx context.Context, in *listAuditInput) (*listAuditAnswer, error) {
	entries, next, err := a.Audit.Entries(ctx, in.Cursor, in.Limit)
	if task.CodeOf(err) == task.CodeInvalid {
		return nil, badCursor()
	}
	if err != nil {
		return nil, err
	}
	items := make([]auditDocument, len(entries))
	for i, e := range entries {
		items[i] = auditDocument{
			Time: timestamp(e.Time), RequestID: e.RequestID, Principal: textOrNull(e.Principal), Action: e.Action, Target: e.Target,
			Detail: textOrNull(e.Detail), Status: e.Status, RemoteAddr: e.RemoteAddr,
		}
	}
	return &listAuditAnswer{auditList{items, next}}, nil
}

func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func badCursor() error {
	return newProblem(http.StatusUnprocessableEntity, "the cursor is not valid",
		fault{"query.cursor", "is not a cursor of this list; begin without one"})
}
