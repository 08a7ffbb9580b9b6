package rest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/task"
)

// Problem is the answer to a request that fails: a problem document (RFC 9457).
type Problem struct {
	Type   string  `json:"type" doc:"What kind of problem it is; about:blank says no more than the status." example:"about:blank"`
	Title  string  `json:"title" doc:"The status in words." example:"Unprocessable Entity"`
	Status int     `json:"status" doc:"The HTTP status." example:"422"`
	Detail string  `json:"detail" doc:"What went wrong, and what to do about it." example:"validation failed"`
	Errors []Fault `json:"errors,omitempty" nullable:"false" doc:"The fields at fault."`
}

// Fault is a validation error of one field, as problems show it; generated clients know the name. It does not repeat the
// value, which may be a secret.
type Fault struct {
	Location string `json:"location" doc:"The path of the field." example:"body.payload.url"`
	Message  string `json:"message" doc:"What is wrong with it." example:"is required"`
}

// At returns the validation error of a field.
func At(location, message string) Fault { return Fault{location, message} }

var (
	_ huma.StatusError   = (*Problem)(nil)
	_ huma.ErrorDetailer = (*Problem)(nil)
)

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the status to huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the type of problem documents in place of that of JSON.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// ErrorDetail passes through huma a problem that the reading of a body ended with, see ownProblem.
func (p *Problem) ErrorDetail() *huma.ErrorDetail {
	return &huma.ErrorDetail{Message: p.Detail, Value: p}
}

// NewProblem returns a problem with a status.
func NewProblem(status int, detail string, faults ...Fault) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: faults}
}

// BadCursor is the answer to a cursor that is not of the list.
func BadCursor() error {
	return NewProblem(http.StatusUnprocessableEntity, "the cursor is not valid",
		Fault{"query.cursor", "is not a cursor of this list; begin without one"})
}

// statuses maps the codes of errors to HTTP.
var statuses = map[task.Code]int{
	task.CodeInvalid:     http.StatusUnprocessableEntity,
	task.CodeNotFound:    http.StatusNotFound,
	task.CodeConflict:    http.StatusConflict,
	task.CodeUnavailable: http.StatusServiceUnavailable,
}

// ProblemOf returns the problem, or another error of huma, that an error is answered with. Causes are logged, and never part
// of the answer.
func ProblemOf(ctx context.Context, log *slog.Logger, err error) error {
	if _, ok := errors.AsType[huma.StatusError](err); ok {
		return err
	}
	e, ok := errors.AsType[*task.Error](err)
	switch {
	case !ok && ctx.Err() != nil:
		return tryAgain("the request was given up") // by its client, or by a server that is about to stop
	case !ok:
		log.Error("request failed", "request_id", RequestID(ctx), "error", err)
		return NewProblem(http.StatusInternalServerError, "something went wrong inside; the log knows more under this X-Request-Id")
	case e.Code == task.CodeUnavailable:
		log.Warn("store not available", "request_id", RequestID(ctx), "error", e.Cause)
		return tryAgain(e.Message + "; try again")
	}
	p := NewProblem(statuses[e.Code], e.Message)
	for _, f := range e.Faults {
		p.Errors = append(p.Errors, Fault(f))
	}
	return p
}

func tryAgain(detail string) error {
	return huma.ErrorWithHeaders(NewProblem(http.StatusServiceUnavailable, detail), http.Header{"Retry-After": {"1"}})
}

// Write answers with the problem, outside of huma.
func (p *Problem) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // an error means that the client has gone
}
