package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/task"
)

//nolint:gochecknoinits // huma has no other way to be told what its errors look like.
func init() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return newInputProblem(status, message, errs)
	}
}

// problem is the answer to a request that failed, as RFC 9457 has it.
type problem struct {
	Type   string  `json:"type" example:"about:blank" doc:"Always about:blank: the status says what kind of problem it is."`
	Title  string  `json:"title" example:"Unprocessable Entity" doc:"The status in words."`
	Status int     `json:"status" example:"422" doc:"The HTTP status."`
	Detail string  `json:"detail" example:"the request is not valid" doc:"What went wrong this time."`
	Errors []fault `json:"errors,omitempty" nullable:"false" doc:"The fields at fault. Their values, which may be secret, are not repeated."`

	headers http.Header
}

// fault is one field at fault.
type fault struct {
	Location string `json:"location" example:"body.payload.url" doc:"Where it stands: in the body, the query or the path."`
	Message  string `json:"message" example:"is required" doc:"What is wrong with it."`
}

const problemContentType = "application/problem+json"

var (
	_ huma.StatusError       = (*problem)(nil)
	_ huma.HeadersError      = (*problem)(nil)
	_ huma.ContentTypeFilter = (*problem)(nil)
)

func (p *problem) Error() string             { return p.Detail }
func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) GetHeaders() http.Header   { return p.headers }
func (p *problem) ContentType(string) string { return problemContentType }

// TransformSchema gives the schema its name in the documentation.
func (*problem) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Description = "What went wrong, as RFC 9457 has it."
	return s
}

func newProblem(status int, detail string, faults ...fault) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: faults}
}

const invalidDetail = "the request is not valid"

// newInputProblem makes a problem of what huma found wrong with a request.
func newInputProblem(status int, message string, errs []error) *problem {
	if len(errs) > 0 {
		message = invalidDetail
	}
	if status == http.StatusBadRequest {
		// The body is known to be JSON by now. What could not be read from it is a value out of range.
		status = http.StatusUnprocessableEntity
	}
	p := newProblem(status, message)
	for _, err := range errs {
		f := task.FaultOf(err)
		p.Errors = append(p.Errors, fault(f))
	}
	return p
}

// statusOf is the table of what each code is in HTTP.
func statusOf(code task.Code) int {
	switch code {
	case task.CodeInvalid:
		return http.StatusUnprocessableEntity
	case task.CodeNotFound:
		return http.StatusNotFound
	case task.CodeConflict:
		return http.StatusConflict
	case task.CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// retryAfterSeconds is when a client that was told 503 may try again.
const retryAfterSeconds = "1"

// problemOf tells a client what err means to it, and leaves the cause of a 5xx for the log. Locations get the part
// of the request that they are in, such as "body.", in front.
func problemOf(ctx context.Context, part string, err error) *problem {
	if errors.Is(err, context.Canceled) {
		// The client has gone, or the server is going; only in the latter case will anybody read this.
		err = task.Unavailable(err)
	}
	known, ok := errors.AsType[*task.Error](err)
	if !ok {
		known = &task.Error{Message: "an unexpected error; the log has its cause under the X-Request-Id of this answer"}
	}
	p := newProblem(statusOf(known.Code), known.Message)
	for _, f := range known.Faults {
		p.Errors = append(p.Errors, fault{part + f.Location, f.Message})
	}
	if p.Status >= http.StatusInternalServerError {
		exchangeOf(ctx).cause = err
	}
	if p.Status == http.StatusServiceUnavailable {
		p.headers = http.Header{echo.HeaderRetryAfter: {retryAfterSeconds}}
	}
	return p
}

// handleError answers for everything that fails outside of huma: unknown routes, wrong methods, panics, and what the
// middleware refuses.
func handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = routingProblem(c, err)
	}
	for name, values := range p.headers {
		c.Response().Header()[name] = values
	}
	c.Response().Header().Set(echo.HeaderContentType, problemContentType)
	c.Response().WriteHeader(p.Status)
	_ = writeJSON(c.Response(), p)
}

func routingProblem(c echo.Context, err error) *problem {
	if refused, ok := errors.AsType[*echo.HTTPError](err); ok {
		switch refused.Code {
		case http.StatusNotFound:
			return newProblem(refused.Code, "there is nothing at this path; /docs tells what there is")
		case http.StatusMethodNotAllowed:
			allow := c.Response().Header().Get(echo.HeaderAllow)
			if strings.Contains(allow, http.MethodGet) {
				allow += ", " + http.MethodHead
				c.Response().Header().Set(echo.HeaderAllow, allow)
			}
			return newProblem(refused.Code, "this path does not know the method; it knows "+allow)
		}
	}
	return problemOf(c.Request().Context(), "", err)
}
