package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/task"
)

// attempt is one run of a task in this process, from the fetch to the acknowledgement.
type attempt struct {
	queue, id string
	number    int
	message   *message

	mu       sync.Mutex
	ended    bool
	outcome  task.State
	result   []byte
	failure  task.Failure
	retryAt  time.Time
	progress *task.Report
}

// info is what a handler may know of the attempt.
func (a *attempt) info() task.RunInfo {
	m := a.message
	return task.RunInfo{
		ID:         a.id,
		Type:       m.Type,
		Queue:      a.queue,
		Attempt:    max(a.number, m.Retried+1),
		MaxRetries: m.Retry,
		Metadata:   m.metadata(),
		Schedule:   m.schedule(),
		CreatedAt:  m.time(headerCreatedAt),
	}
}

// context ends when the attempt must be over, to the millisecond; asynq's own ends at the next full second.
func (a *attempt) context(ctx context.Context) (context.Context, context.CancelFunc) {
	end := a.message.deadline()
	if timeout := a.message.timeout(); timeout > 0 {
		if t := time.Now().Add(timeout); end.IsZero() || t.Before(end) {
			end = t
		}
	}
	if end.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end)
}

// succeed ends the attempt with a result. The first end counts: a handler that returns after its time was up
// changes nothing any more.
func (a *attempt) succeed(result []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.ended, a.outcome, a.result = true, task.Succeeded, result
	}
}

// fail ends the attempt with the error that ended it under ctx, and tells how it ended and whether this was its
// first end. delay is the wait before the next try, if there is to be one.
func (a *attempt) fail(ctx context.Context, err error, delay time.Duration) (outcome task.State, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return a.outcome, false
	}
	a.ended = true
	a.failure = *task.FailureOf(ctx, err)
	a.retryAt = time.Now().Add(delay)
	switch deadline := a.message.deadline(); {
	case errors.Is(ctx.Err(), context.Canceled) && !errors.Is(err, asynq.ErrLeaseExpired):
		a.outcome, a.failure.Kind = task.Canceled, ""
	case a.failure.Kind == task.KindPermanent, a.message.Retried >= a.message.Retry:
		a.outcome = task.Failed
	case !deadline.IsZero() && !a.retryAt.Before(deadline):
		a.outcome = task.Failed // the next try would begin after the last moment of the task
	default:
		a.outcome = task.Retrying
	}
	return a.outcome, true
}

// handBack ends an attempt that its worker has no time for any more.
func (a *attempt) handBack() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended, a.outcome = true, task.Pending
}

func (a *attempt) hasEnded() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended
}

// finalMessage is the message as asynq stores it after an attempt that ended so.
func (a *attempt) finalMessage(now time.Time) []byte {
	m := *a.message
	switch a.outcome {
	case task.Succeeded:
		m.CompletedAt = now.Unix()
	case task.Failed, task.Retrying, task.Canceled:
		m.ErrorMsg = truncate(a.failure.Message)
		m.LastFailedAt = now.Unix()
	}
	if a.outcome == task.Retrying {
		m.Retried++
	}
	return m.encode()
}

// maxErrorMessage bounds what is stored of an error, in bytes. Some errors quote whole documents.
const maxErrorMessage = 8 << 10

func truncate(s string) string {
	if len(s) <= maxErrorMessage {
		return s
	}
	return s[:maxErrorMessage] + " …"
}
