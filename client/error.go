package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is the error for a request that the API or another Enqueuer refused.
type Error struct {
	// Method and Path are those of the HTTP request; empty for an Enqueuer without HTTP.
	Method, Path string
	// Status is the HTTP status, or the equivalent one without HTTP.
	Status int
	// Title is the text of the status. Detail says what went wrong and how to correct it.
	Title, Detail string
	// Errors lists the invalid fields, if the request was invalid.
	Errors []ValidationError
	// RequestID identifies the request in the API's log.
	RequestID string
	// RetryAfter is the time to wait before the next attempt, as the API asks, at most 24 hours; 0 if it does not ask.
	RetryAfter time.Duration
	// Cause is the cause in an Enqueuer without HTTP; nil if it is not known.
	Cause error
}

// ValidationError is an invalid field.
type ValidationError struct {
	// Location is the path of the field, such as body.payload.url.
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Errors that errors.Is matches with an *Error.
var (
	ErrInvalid            = errors.New("invalid request")     // 400 and 422; Error.Errors lists the fields
	ErrUnauthorized       = errors.New("no good credentials") // 401
	ErrForbidden          = errors.New("not allowed")         // 403
	ErrNotFound           = errors.New("not found")           // 404
	ErrConflict           = errors.New("conflict")            // 409: the state does not allow the action, or an id is taken
	ErrPreconditionFailed = errors.New("changed meanwhile")   // 412: IfMatch or IfNew is not met
	ErrTooLarge           = errors.New("too large")           // 413
	ErrRateLimited        = errors.New("over a limit")        // 429
	ErrUnavailable        = errors.New("not available")       // 502, 503 and 504
)

var kinds = map[int]error{
	http.StatusBadRequest:            ErrInvalid,
	http.StatusUnprocessableEntity:   ErrInvalid,
	http.StatusUnauthorized:          ErrUnauthorized,
	http.StatusForbidden:             ErrForbidden,
	http.StatusNotFound:              ErrNotFound,
	http.StatusConflict:              ErrConflict,
	http.StatusPreconditionFailed:    ErrPreconditionFailed,
	http.StatusRequestEntityTooLarge: ErrTooLarge,
	http.StatusTooManyRequests:       ErrRateLimited,
	http.StatusBadGateway:            ErrUnavailable,
	http.StatusServiceUnavailable:    ErrUnavailable,
	http.StatusGatewayTimeout:        ErrUnavailable,
}

// Error returns the title, the detail, the invalid fields and the cause.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Method != "" {
		fmt.Fprintf(&b, "%s %s: %d ", e.Method, e.Path, e.Status)
	}
	b.WriteString(e.Title)
	if e.Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Detail)
	}
	for _, invalid := range e.Errors {
		fmt.Fprintf(&b, "; %s: %s", invalid.Location, invalid.Message)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is the error above that corresponds to the status.
func (e *Error) Is(target error) bool { return target == kinds[e.Status] }

// problem is the API's problem document (RFC 9457).
type problem struct {
	Detail string            `json:"detail"`
	Errors []ValidationError `json:"errors"`
}

func (p *problem) of(r *call, status int) *Error {
	return &Error{
		Method: r.method, Path: r.path, Status: status, Title: http.StatusText(status), Detail: p.Detail, Errors: p.Errors,
	}
}

// newError returns the error for a response. A response without a problem document comes from a proxy rather than the API;
// its body is ignored.
func newError(r *call, res *http.Response, body []byte) *Error {
	var p problem
	if !isProblem(res.Header) || json.Unmarshal(body, &p) != nil {
		p = problem{}
	}
	if to := res.Header.Get("Location"); to != "" && res.StatusCode < http.StatusBadRequest {
		p.Detail = "the server redirects to " + to + ", and redirects are not followed"
	}
	e := p.of(r, res.StatusCode)
	e.RequestID, e.RetryAfter = res.Header.Get("X-Request-Id"), retryAfter(res.Header, time.Now())
	return e
}

func isProblem(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && media == "application/problem+json"
}

// maxRetryAfter bounds RetryAfter.
const maxRetryAfter = 24 * time.Hour

// retryAfter parses the Retry-After header, which is a number of seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	// On ErrRange, seconds is the largest uint64.
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
