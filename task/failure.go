package task

import (
	"context"
	"errors"
	"time"
)

// ErrorKind is the kind of a failure.
type ErrorKind string

// The kinds.
const (
	KindError     ErrorKind = "error"     // the handler returned an error
	KindTimeout   ErrorKind = "timeout"   // the attempt's timeout or the task's deadline passed
	KindPanic     ErrorKind = "panic"     // the handler panicked
	KindCrashed   ErrorKind = "crashed"   // the workers that ran the task died three times
	KindPermanent ErrorKind = "permanent" // the handler returned an error that no retry can correct
)

// Permanent marks err as an error that no retry can correct: the task fails at once, without further retries.
// Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// RetryAfter marks err with the delay before the next attempt, which replaces the type's backoff. It spends a retry like any
// other failure. RetryAfter(d, nil) is nil; a negative d counts as 0.
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

// DelayOf returns the delay that RetryAfter added to err. ok is false if there is none.
func DelayOf(err error) (d time.Duration, ok bool) {
	e, ok := errors.AsType[*retryAfterError](err)
	if !ok {
		return 0, false
	}
	return e.delay, true
}

// Snooze returns an error by which a handler asks to run again after d, for example because its input is not available yet.
// It is not a failure: it spends no attempt, and the task is Scheduled until then. A negative d counts as 0, and d is at
// most MaxDelay. The task's deadline still applies.
func Snooze(d time.Duration) error { return &snoozeError{min(max(d, 0), MaxDelay)} }

type snoozeError struct{ delay time.Duration }

func (e *snoozeError) Error() string { return "snoozed for " + Duration(e.delay).String() }

// SnoozeOf returns the duration of the Snooze in err. ok is false if there is none.
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

// Error returns the value that the handler panicked with, without the stack.
func (e *PanicError) Error() string { return "panic: " + toString(e.Value) }

// FailureOf returns the failure of an attempt that ended with err. ctx is the context of the attempt.
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
	// A deadline inside the handler, such as that of an HTTP client, is an ordinary error; only the attempt's own deadline
	// is a timeout.
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return KindTimeout
	}
	return KindError
}
