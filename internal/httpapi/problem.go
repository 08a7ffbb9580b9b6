package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/task"
)

// problem is the answer to whatever goes wrong: a problem document (RFC 9457).
type problem struct {
	Type   string  `json:"type" doc:"What kind of problem it is; about:blank says no more than the status." example:"about:blank"`
	Title  string  `json:"title" doc:"The status in words." example:"Unprocessable Entity"`
	Status int     `json:"status" doc:"The HTTP status." example:"422"`
	Detail string  `json:"detail" doc:"What went wrong, and what to do about it." example:"validation failed"`
	Errors []fault `json:"errors,omitempty" nullable:"false" doc:"The fields at fault."`
}

// fault is one field at fault. The value is left out: it may be a secret.
type fault struct {
	Location string `json:"location" doc:"The path of the field." example:"body.payload.url"`
	Message  string `json:"message" doc:"What is wrong with it." example:"is required"`
}

var (
	_ huma.StatusError   = (*problem)(nil)
	_ huma.ErrorDetailer = (*problem)(nil)
)

// Error gives the detail.
func (p *problem) Error() string { return p.Detail }

// GetStatus tells huma the status.
func (p *problem) GetStatus() int { return p.Status }

// ContentType makes a problem document of what would be JSON.
func (p *problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// ErrorDetail brings a problem that the reading of a body ended with through huma, see ownProblem.
func (p *problem) ErrorDetail() *huma.ErrorDetail {
	return &huma.ErrorDetail{Message: p.Detail, Value: p}
}

func newProblem(status int, detail string, faults ...fault) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: faults}
}

// statuses maps the codes of errors to HTTP.
var statuses = map[task.Code]int{
	task.CodeInvalid:     http.StatusUnprocessableEntity,
	task.CodeNotFound:    http.StatusNotFound,
	task.CodeConflict:    http.StatusConflict,
	task.CodeUnavailable: http.StatusServiceUnavailable,
}

// problemOf makes a problem of an error. The cause is logged and never part of the answer.
func problemOf(ctx context.Context, log *slog.Logger, err error) error {
	if _, ok := errors.AsType[huma.StatusError](err); ok {
		return err
	}
	e, ok := errors.AsType[*task.Error](err)
	switch {
	case !ok && ctx.Err() != nil:
		return tryAgain("the request was given up") // by its client, or by a server that is about to stop
	case !ok:
		log.Error("request failed", "request_id", requestID(ctx), "error", err)
		return newProblem(http.StatusInternalServerError, "something went wrong inside; the log knows more under this X-Request-Id")
	case e.Code == task.CodeUnavailable:
		log.Warn("store not available", "request_id", requestID(ctx), "error", e.Cause)
		return tryAgain(e.Message + "; try again")
	}
	p := newProblem(statuses[e.Code], e.Message)
	for _, f := range e.Faults {
		p.Errors = append(p.Errors, fault{f.Location, f.Message})
	}
	return p
}

func tryAgain(detail string) error {
	return huma.ErrorWithHeaders(newProblem(http.StatusServiceUnavailable, detail), http.Header{"Retry-After": {"1"}})
}

// handleError answers what goes wrong outside of huma: unknown routes, wrong methods, panics.
func (a *api) handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	if e, ok := errors.AsType[*echo.HTTPError](err); ok {
		err = newProblem(e.Code, a.detailOf(e, c))
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = newProblem(http.StatusRequestEntityTooLarge, "the body is too large")
	}
	ctx := c.Request().Context()
	if !errors.Is(err, context.Canceled) {
		ctx = context.WithoutCancel(ctx) // a panic is logged, whether its client waits or not
	}
	err = problemOf(ctx, a.Logger, err)
	if more, ok := errors.AsType[huma.HeadersError](err); ok {
		maps.Copy(c.Response().Header(), more.GetHeaders())
	}
	p, ok := errors.AsType[*problem](err)
	if !ok {
		other, _ := errors.AsType[huma.StatusError](err) // which problemOf leaves as it is
		p = newProblem(other.GetStatus(), other.Error())
	}
	writeProblem(c.Response(), p)
}

// detailOf returns what a handler of Routes says, or what the router means.
func (a *api) detailOf(e *echo.HTTPError, c echo.Context) string {
	if text, ok := e.Message.(string); ok && text != http.StatusText(e.Code) && a.isOwn(c) {
		return text
	}
	return a.routeDetail(e.Code, c)
}

func (a *api) routeDetail(status int, c echo.Context) string {
	switch status {
	case http.StatusNotFound:
		return "there is nothing at this path; " + a.Prefix + "/docs tells what there is"
	case http.StatusMethodNotAllowed:
		return "this path allows " + c.Response().Header().Get("Allow")
	default:
		return strings.ToLower(http.StatusText(status))
	}
}

// Unavailable answers requests while there is no API to serve them.
func Unavailable() http.Handler {
	return withRequestID(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		writeProblem(w, newProblem(http.StatusServiceUnavailable, "the API does not run yet, or no longer; try again"))
	}))
}

// OnlyLocal refuses requests from other machines, by the address that they came to. Where there is no address, as of a
// Unix socket, there is no other machine.
func OnlyLocal(next http.Handler) http.Handler {
	refuse := withRequestID(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, newProblem(http.StatusForbidden, "an API without authentication serves only its own machine; "+
			"set api.keys or api.jwt, or api.insecure if something else protects it"))
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && !addr.IP.IsLoopback() {
			refuse.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func writeProblem(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client has gone
}
