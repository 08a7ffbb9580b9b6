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

// Error is a call that the API refused, or a request that another Enqueuer refused.
type Error struct {
	// Method and Path tell which call it was; empty where there was none.
	Method, Path string
	// Status is that of HTTP, or what it would be.
	Status int
	// Title is the status in words, Detail what went wrong and what to do about it.
	Title, Detail string
	// Faults are the fields at fault, where fields are.
	Faults []Fault
	// RequestID is the name under which the API's log knows the call.
	RequestID string
	// RetryAfter is for how long the API asks to be left alone, 24 hours at most; 0 if it does not.
	RetryAfter time.Duration
	// Cause is what kept an Enqueuer that is no API from doing it; nil if that is not known.
	Cause error
}

// Fault is a field at fault.
type Fault struct {
	// Location is the path of the field, such as body.payload.url.
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Errors that errors.Is finds in an *Error.
var (
	ErrInvalid            = errors.New("invalid request")     // 400 and 422; Faults says where
	ErrUnauthorized       = errors.New("no good credentials") // 401
	ErrForbidden          = errors.New("not allowed")         // 403
	ErrNotFound           = errors.New("not found")           // 404
	ErrConflict           = errors.New("conflict")            // 409: the state of things does not allow it, or an id is taken
	ErrPreconditionFailed = errors.New("changed meanwhile")   // 412: If-Match or IfNew does not hold
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

// Error gives the detail and the faults.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Method != "" {
		fmt.Fprintf(&b, "%s %s: %d ", e.Method, e.Path, e.Status)
	}
	b.WriteString(e.Title)
	if e.Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Detail)
	}
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "; %s: %s", f.Location, f.Message)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is the one of the errors above that the status stands for.
func (e *Error) Is(target error) bool { return target == kinds[e.Status] }

// problem is what the API says of what went wrong (RFC 9457).
type problem struct {
	Detail string  `json:"detail"`
	Errors []Fault `json:"errors"`
}

func (p *problem) of(r *call, status int) *Error {
	return &Error{
		Method: r.method, Path: r.path, Status: status, Title: http.StatusText(status), Detail: p.Detail, Faults: p.Errors,
	}
}

// newError makes an error of an answer. What is no problem document comes from something between here and the API, and
// its status says all that there is to say.
func newError(r *call, res *http.Response, body []byte) *Error {
	var p problem
	if !isProblem(res.Header) || json.Unmarshal(body, &p) != nil {
		p = problem{}
	}
	if to := res.Header.Get("Location"); to != "" && res.StatusCode < http.StatusBadRequest {
		p.Detail = "the server sends callers to " + to + ", which is not followed"
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

// retryAfter reads the header, which is a number of seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	// More seconds than fit into 64 bits are the most that do.
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
