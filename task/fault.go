package task

import (
	"errors"
	"fmt"
	"strings"
)

// ValidationError is one thing wrong with what a caller sent.
type ValidationError struct {
	// Location is the dotted path of the field at fault, such as payload.url or tasks[3].queue.
	Location string
	Message  string
}

// Code sorts errors by what a caller can do about them. Adapters map it to their own kind of answer,
// such as an HTTP status.
type Code string

// The codes.
const (
	CodeInvalid     Code = "invalid"     // the request is at fault; Error.Faults says where
	CodeNotFound    Code = "not_found"   // there is no such task, queue or type
	CodeConflict    Code = "conflict"    // the state of things does not allow it
	CodeUnavailable Code = "unavailable" // the store cannot be reached or refuses writes; try again
)

// Error is an error with a message that a caller may see. Its cause is for operators only.
type Error struct {
	Code    Code
	Message string
	Faults  []ValidationError
	Cause   error
}

// Error gives the message, the faults and the cause.
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

// Invalid returns an error with CodeInvalid for the faults.
func Invalid(faults ...ValidationError) *Error {
	return &Error{Code: CodeInvalid, Message: "the request is not valid", Faults: faults}
}

// Unavailable returns an error with CodeUnavailable for a failure of the store.
func Unavailable(cause error) *Error {
	return &Error{Code: CodeUnavailable, Message: "the task store is not available", Cause: cause}
}
