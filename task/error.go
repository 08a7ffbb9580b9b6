package task

import (
	"errors"
	"fmt"
	"strings"
)

// ValidationError is an invalid field of a request.
type ValidationError struct {
	// Location is the dotted path of the field, such as payload.url or tasks[3].queue.
	Location string
	Message  string
}

// Code classifies errors by what a caller can do about them. Adapters map it, for example to an HTTP status.
type Code string

// The codes.
const (
	CodeInvalid     Code = "invalid"     // the request is invalid; Error.Faults lists the fields
	CodeNotFound    Code = "not_found"   // the task, queue or type does not exist
	CodeConflict    Code = "conflict"    // the current state does not allow the action
	CodeUnavailable Code = "unavailable" // the store is unreachable or refuses writes; retry later
)

// Error is an error with a message for the caller. Its cause is for operators only.
type Error struct {
	Code    Code
	Message string
	Faults  []ValidationError
	Cause   error
}

// Error returns the message, the invalid fields and the cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
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

// CodeOf returns the code of the first *Error in err's chain, and "" if there is none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// NotFound returns an error with CodeNotFound.
func NotFound(format string, args ...any) *Error {
	return &Error{Code: CodeNotFound, Message: fmt.Sprintf(format, args...)}
}

// Conflict returns an error with CodeConflict.
func Conflict(format string, args ...any) *Error {
	return &Error{Code: CodeConflict, Message: fmt.Sprintf(format, args...)}
}

// Invalid returns an error with CodeInvalid for the invalid fields.
func Invalid(errs ...ValidationError) *Error {
	return &Error{Code: CodeInvalid, Message: "the request is not valid", Faults: errs}
}

// Unavailable returns an error with CodeUnavailable for a failure of the store.
func Unavailable(cause error) *Error {
	return &Error{Code: CodeUnavailable, Message: "the task store is not available", Cause: cause}
}
