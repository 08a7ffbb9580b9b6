package backbeattest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/task"
)

// maxResultBytes is the default of max_result_bytes.
const maxResultBytes = 1 << 20

// attempt is one run of a handler, and how it ended.
type attempt struct {
	info     task.RunInfo
	payload  []byte
	timeout  time.Duration
	deadline time.Time // of the task, by the clock of this machine; zero for never

	state    task.State
	result   []byte
	err      error
	failure  *task.Failure // nil unless it failed
	delay    time.Duration // of Snooze and RetryAfter
	progress []task.Report
}

// run calls the handler as a worker does. It does so in the caller's goroutine, in which a handler may end the test.
func (a *attempt) run(ctx context.Context, h *task.Handler, q client.Enqueuer) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	if !a.deadline.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, a.deadline)
		defer cancel()
	}
	var reports reports
	a.result, a.err = a.call(task.NewContext(ctx, a.info, reports.add), task.Wrap(h.Run, client.Middleware(q)))
	if a.err == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		a.err = ctx.Err() // a worker does not wait for a handler whose time is up
	}
	a.progress = reports.close()
	a.end(ctx)
}

func (a *attempt) call(ctx context.Context, run task.Func) (result []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &task.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	result, err = run(ctx, bytes.Clone(a.payload))
	if err == nil && len(result) > maxResultBytes {
		return nil, task.Permanent(fmt.Errorf("the result has %d bytes, and max_result_bytes allows %d", len(result), maxResultBytes))
	}
	return result, err
}

// end tells what the error makes of the task.
func (a *attempt) end(ctx context.Context) {
	if a.err == nil {
		a.state = task.Succeeded
		return
	}
	if d, ok := task.SnoozeOf(a.err); ok && !a.tooLate(d) {
		a.state, a.delay = task.Scheduled, d
		return
	}
	a.failure = task.FailureOf(ctx, a.err)
	a.delay, _ = task.DelayOf(a.err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		a.state, a.failure.Kind = task.Canceled, ""
	case a.failure.Kind == task.KindPermanent, a.info.Attempt > a.info.MaxRetries, a.tooLate(a.delay):
		a.state, a.delay = task.Failed, 0
	default:
		a.state = task.Retrying
	}
}

// tooLate reports whether the task's deadline comes before a next try after d.
func (a *attempt) tooLate(d time.Duration) bool {
	return !a.deadline.IsZero() && !time.Now().Add(d).Before(a.deadline)
}

// reports are what a handler says of its progress.
type reports struct {
	mu     sync.Mutex
	closed bool
	list   []task.Report
}

func (r *reports) add(p task.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.list = append(r.list, p)
	}
}

// close returns the reports. Later ones, of goroutines that the handler has left behind, do not count.
func (r *reports) close() []task.Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.list
}
