package task

import (
	"context"
	"errors"
	"time"
)

// ErrorKind sorts failures by what went wrong.
type ErrorKind string

// The kinds.
const (
	KindError     ErrorKind = "error"     // the handler returned an error
	KindTimeout   ErrorKind = "timeout"   // the attempt's timeout or the task's deadline passed
	KindPanic     ErrorKind = "panic"     // the handler panicked
	KindCrashed   ErrorKind = "crashed"   // the worker died with the task, again and again
	KindPermanent ErrorKind = "permanent" // the handler said that another try is no use
)

// Permanent marks err as one that another try cannot mend: the task fails at once, whatever retries it
// has left. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// RetryAfter marks err with the delay before the next try, in place of the type's backoff. It spends a
// retry like any other failure. RetryAfter(d, nil) is nil; a negative d counts as 0.
func RetryAfter(d time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err, max(d, 0)}
}

type retryAfterError struct {
	error
	delay time.Duration
}

func (e *retryAfterError) Unwrap() error { return e.error }

// DelayOf returns the delay that RetryAfter put on err.
func DelayOf(err error) (d time.Duration, ok bool) {
	e, ok := errors.AsType[*retryAfterError](err)
	if !ok {
		return 0, false
	}
	return e.delay, true
}

// Snooze is returned by a handler that wants to run again after d, because what it waits for is not there yet. It is no
// failure: it spends no attempt, and the task is scheduled until then. A negative d counts as 0. The task's deadline still
// holds.
func Snooze(d time.Duration) error { return &snoozeError{min(max(d, 0), MaxDelay)} }

type snoozeError struct{ delay time.Duration }

func (e *snoozeError) Error() string { return "snoozed for " + Duration(e.delay).String() }

// SnoozeOf returns how long err asks the task to be snoozed.
func SnoozeOf(err error) (d time.Duration, ok bool) {
	e, ok := errors.AsType[*snoozeError](err)
	if !ok {
		return 0, false
	}
	return e.delay, true
}

// PanicError is the error of an attempt whose handler panicked.
type PanicError struct {
	Value any
	Stack []byte
}

// Error gives the value that the handler panicked with. The stack is for the log.
func (e *PanicError) Error() string { return "panic: " + toString(e.Value) }

// FailureOf describes the failed attempt that ended with err under ctx.
func FailureOf(ctx context.Context, err error) *Failure {
	return &Failure{Message: err.Error(), Kind: kindOf(ctx, err)}
}

func kindOf(ctx context.Context, err error) ErrorKind {
	if _, ok := errors.AsType[*PanicError](err); ok {
		return KindPanic
	}
	if _, ok := errors.AsType[*permanentError](err); ok {
		return KindPermanent
	}
	// A deadline inside the handler, such as that of an HTTP client, is the handler's own error; only
	// the attempt's own deadline is a timeout.
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return KindTimeout
	}
	return KindError
}
