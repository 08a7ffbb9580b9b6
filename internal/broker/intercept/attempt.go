package intercept

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/task"
)

// Attempt is one run of a task in this process, from the fetch to the acknowledgement.
type Attempt struct {
	Queue, ID string
	Number    int
	crashes   int // how often a worker has died with the task
	Message   *wire.Message
	raw       string // the message as it was fetched
	fetchedAt time.Time
	ahead     time.Duration // of the clock of this machine, the clock of Redis was then

	mu       sync.Mutex
	begunAt  time.Time // zero for one that was never started here
	ended    bool
	endedAt  time.Time
	outcome  task.State
	result   []byte
	failure  task.Failure
	retryAt  time.Time
	progress *task.Report
	givenUp  int // how often what was to be written was too large
}

// NewCrashed returns the last attempt, as stored, of a task that workers of other processes have died with. It has failed.
func NewCrashed(queue, id, raw string, number int, why string) *Attempt {
	a := &Attempt{Queue: queue, ID: id, raw: raw, Number: number, ended: true, outcome: task.Failed}
	var err error
	if a.Message, err = wire.DecodeMessage([]byte(raw)); err != nil {
		a.Message = &wire.Message{}
	}
	a.failure = task.Failure{Message: why, Kind: task.KindCrashed}
	return a
}

// Info is what a handler may know of the attempt.
func (a *Attempt) Info() task.RunInfo {
	m := a.Message
	return task.RunInfo{
		ID:         a.ID,
		Type:       m.Type,
		Queue:      a.Queue,
		Attempt:    max(a.Number-m.EarlierAttempts(), m.Retried+1),
		MaxRetries: m.Retry,
		Metadata:   m.Metadata(),
		Schedule:   m.Schedule(),
		CreatedAt:  m.Time(wire.HeaderCreatedAt),
	}
}

// local returns what the clock of this machine shows when that of Redis shows t. Times of messages are by the latter.
func (a *Attempt) local(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(-a.ahead)
}

// deadline is when the task must be over, by the clock of this machine; zero for never.
func (a *Attempt) deadline() time.Time { return a.local(a.Message.ExactDeadline()) }

// handedPayload is how large a payload may be that asynq is handed, in bytes.
const handedPayload = 1 << 10

// forAsynq is the message as asynq's server gets it. It compares the deadline with the clock of this machine. Its heartbeat
// writes what it got of every running task to Redis every five seconds, so a large payload is left out: the handler gets
// that of the attempt.
func (a *Attempt) forAsynq() string {
	skewed := a.Message.Deadline != 0 && a.ahead.Abs() >= time.Second
	if !skewed && len(a.Message.Payload) <= handedPayload {
		return a.raw
	}
	m := *a.Message
	if skewed {
		m.Deadline = a.deadline().Add(time.Second).Unix() // rounded up to whole seconds
	}
	if len(m.Payload) > handedPayload {
		m.Payload = nil
	}
	return string(m.Encode())
}

// Context returns a context that ends when the attempt must be over, to the millisecond; asynq's own ends at the next full second.
func (a *Attempt) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	end := a.deadline()
	if timeout := a.Message.ExactTimeout(); timeout > 0 {
		if t := time.Now().Add(timeout); end.IsZero() || t.Before(end) {
			end = t
		}
	}
	if end.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end)
}

// Begin notes that the handler is about to be called, and returns for how long the task could have been run before. That
// is not known of further attempts, nor of tasks of stock clients, which do not say when they made them.
func (a *Attempt) Begin() (waited time.Duration, known bool) {
	now := time.Now()
	a.mu.Lock()
	a.begunAt = now
	a.mu.Unlock()
	m := a.Message
	if a.Number > 1 || m.Retried > 0 || m.Foreign() {
		return 0, false
	}
	ready := m.Time(wire.HeaderCreatedAt)
	if t := m.Time(wire.HeaderRunAt); t.After(ready) {
		ready = t
	}
	return max(0, now.Sub(a.local(ready))), true // it is negative if somebody let it run early, or clocks differ
}

// took tells how long the attempt took. ok is false for one that was never started here or has not ended.
func (a *Attempt) took() (d time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.begunAt.IsZero() || a.endedAt.IsZero() {
		return 0, false
	}
	return a.endedAt.Sub(a.begunAt), true
}

// Succeed ends the attempt with a result. The first end counts: a handler that returns after its time was up
// changes nothing any more.
func (a *Attempt) Succeed(result []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.ended, a.endedAt, a.outcome, a.result = true, time.Now(), task.Succeeded, result
	}
}

// Fail ends the attempt with the error that ended it under ctx, and tells how it ended and whether this was its
// first end. delay is the wait before the next try, if there is to be one.
func (a *Attempt) Fail(ctx context.Context, err error, delay time.Duration) (outcome task.State, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return a.outcome, false
	}
	a.ended, a.endedAt = true, time.Now()
	a.failure = *task.FailureOf(ctx, err)
	if a.failure.Kind == task.KindTimeout {
		a.failure.Message = a.timedOut(ctx, err)
	}
	a.failure.Message = wire.Storable(a.failure.Message)
	a.retryAt = time.Now().Add(delay)
	switch deadline := a.deadline(); {
	case errors.Is(ctx.Err(), context.Canceled) && !errors.Is(err, asynq.ErrLeaseExpired):
		a.outcome, a.failure.Kind = task.Canceled, ""
	case a.failure.Kind == task.KindPermanent, a.Message.Retried >= a.Message.Retry:
		a.outcome = task.Failed
	case !deadline.IsZero() && !a.retryAt.Before(deadline):
		a.outcome = task.Failed // the next try would begin after the last moment of the task
	default:
		a.outcome = task.Retrying
	}
	return a.outcome, true
}

// timedOut says which limit ended the attempt, and keeps what the handler said about it.
func (a *Attempt) timedOut(ctx context.Context, err error) string {
	text := "timed out after " + task.Duration(a.Message.ExactTimeout()).String()
	deadline := a.Message.ExactDeadline()
	if end, ok := ctx.Deadline(); ok && !deadline.IsZero() && !end.Before(deadline) {
		text = "the deadline " + deadline.UTC().Format(time.RFC3339) + " passed"
	}
	if said := err.Error(); said != context.DeadlineExceeded.Error() {
		text += ": " + said
	}
	return text
}

// requeue ends an attempt that its worker has no time for: task.Pending if it has begun, else script.Unstarted. One whose
// handler was faster keeps its end.
func (a *Attempt) requeue(outcome task.State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.ended, a.endedAt, a.outcome = true, time.Now(), outcome
	}
}

// Snooze ends an attempt whose handler wants to run again after d, unless it must be over before that. It spends no retry.
func (a *Attempt) Snooze(d time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	at := now.Add(d)
	if deadline := a.deadline(); a.ended || !deadline.IsZero() && !at.Before(deadline) {
		return false
	}
	a.ended, a.endedAt, a.outcome, a.retryAt = true, now, script.Unstarted, at
	return true
}

// park ends an attempt that this worker cannot run, because it does not know the type. It costs nothing, and the task waits,
// where it holds up nobody, for a worker that does. If tasks of too many types wait, it comes again a little later instead.
func (a *Attempt) park(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended, a.endedAt, a.outcome, a.retryAt = true, now, script.Parked, now.Add(putOffFor)
}

// giveUp makes a failure of an end that cannot be written. If it was one already, the task keeps the message that it has.
func (a *Attempt) giveUp(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.givenUp++
	a.outcome, a.result, a.progress = task.Failed, nil, nil
	a.failure = task.Failure{Message: wire.Storable(why), Kind: task.KindPermanent}
}

// weight is how many bytes the end of the attempt takes on its way to Redis, as far as that depends on the task.
func (a *Attempt) weight() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keepsNothing() {
		return 0
	}
	return len(a.raw) + len(a.result) + len(a.failure.Message)
}

// leavesNothing reports whether the task is gone once the end of the attempt is written, and no more need be said of it.
func (a *Attempt) keepsNothing() bool {
	return a.outcome == task.Succeeded && len(a.result) == 0 && a.Message.UniqueKey == "" && a.Message.RetentionAfter(a.outcome) == 0
}

// suspectCrashes is how many deaths of workers make a task suspect. fetch.lua knows the same number.
const suspectCrashes = 2

// suspect reports whether the task must be run apart from others that are suspect: those that merely ran beside the
// one that kills would die with it once more.
func (a *Attempt) suspect() bool { return a.crashes >= suspectCrashes }

// endedFor tells how long ago the attempt ended; it is negative for one that has not.
func (a *Attempt) endedFor() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		return -1
	}
	return time.Since(a.endedAt)
}

func (a *Attempt) hasEnded() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended
}

// end is the end of the attempt as it is written.
func (a *Attempt) end(now time.Time) script.End {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := script.End{ID: a.ID, Attempt: a.Number, KeepsNothing: a.keepsNothing()}
	if e.KeepsNothing {
		return e
	}
	e.Outcome, e.Message, e.Result = a.outcome, a.finalMessage(now.Add(a.ahead)), a.result
	e.ErrorKind, e.Text = a.failure.Kind, a.failure.Message
	if a.outcome == script.Parked {
		e.Text = a.Message.Type
	}
	if a.progress != nil {
		e.Progress = wire.EncodeProgress(*a.progress)
	}
	e.Retention, e.Delay, e.UniqueKey = a.Message.RetentionMillis(a.outcome), a.retryAfter(now), a.Message.UniqueKey
	if a.begunAt.IsZero() {
		e.ExpiresAt = a.Message.Time(wire.HeaderExpiresAt)
	}
	return e
}

// retryAfter is for how many ms the task is put off, 0 for not at all.
func (a *Attempt) retryAfter(now time.Time) int64 {
	if a.retryAt.IsZero() {
		return 0
	}
	return max(1, a.retryAt.Sub(now).Milliseconds())
}

// finalMessage is the message as asynq stores it after an attempt that ended so, now by the clock of Redis.
func (a *Attempt) finalMessage(now time.Time) []byte {
	if a.givenUp > 1 {
		return nil
	}
	if a.Message.ID == "" {
		return []byte(a.raw) // nobody can read it, and perhaps somebody wants to try
	}
	m := *a.Message
	switch a.outcome {
	case script.Unstarted, script.Parked, task.Pending:
		return nil // it is stored already
	case task.Succeeded:
		m.CompletedAt = now.Unix()
	case task.Failed, task.Retrying, task.Canceled:
		m.ErrorMsg = a.failure.Message
		m.LastFailedAt = now.Unix()
	}
	if a.outcome == task.Retrying {
		m.Retried++
	}
	return m.Encode()
}

// putOffFor is for how long a task is put off that cannot be parked.
const putOffFor = time.Second
