package backbeattest

import (
	"cmp"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/task"
)

// Outcome is how an attempt ended.
type Outcome[Out any] struct {
	// State is what the task is after the attempt: Succeeded; Retrying; Failed, if it has no retries left or the error is
	// permanent; Scheduled, if it was snoozed; Canceled, if the test ended meanwhile.
	State client.State
	// Result is what the handler returned, as a caller reads it: from JSON. The zero value unless the attempt succeeded.
	Result Out
	// Err is the error of the attempt: that of the handler, a *task.PanicError, or one that says that the payload or the
	// result is not valid. It is set for a snooze too.
	Err error
	// Failure is what callers see of the error; nil if the attempt succeeded or was snoozed.
	Failure *client.Failure
	// Delay is the time before the next try that task.Snooze or task.RetryAfter asked for. It is 0 for other retries, which
	// wait for a random time, by the type's backoff.
	Delay time.Duration
	// Progress is what the handler reported, oldest first. A worker stores the newest only.
	Progress []client.Progress
	// Enqueued has what the handler enqueued with client.From.
	Enqueued *Recorder
}

// RunOption changes an attempt.
type RunOption func(*runOptions)

type runOptions struct {
	info     task.RunInfo
	recorder *Recorder
}

// WithInfo sets what task.Info tells the handler. Zero fields keep their defaults: the first attempt, a random id, the type's
// queue and retries, created now.
func WithInfo(info task.RunInfo) RunOption { return func(o *runOptions) { o.info = info } }

// WithRecorder sets what client.From returns in the handler. Default: a new Recorder without options.
func WithRecorder(r *Recorder) RunOption { return func(o *runOptions) { o.recorder = r } }

// Run runs one attempt of a task as a worker does, and tells how it ended. The payload goes through JSON, the type's schema and
// its defaults, and the result through JSON; the attempt ends after the type's time-out; a panic is a failure. A result that
// does not fit the type's own schema fails the test.
//
// The handler is called in the test's goroutine, so it may call t.Fatal. A handler that does not heed the end of its context
// keeps Run waiting; its result does not count then.
func Run[In, Out any](
	t testing.TB, def task.Definition[In, Out], handler func(context.Context, In) (Out, error), in In, opts ...RunOption,
) *Outcome[Out] {
	t.Helper()
	var o runOptions
	for _, opt := range opts {
		opt(&o)
	}
	if o.recorder == nil {
		o.recorder = NewRecorder(t)
	}
	payload, err := json.Marshal(in)
	if err != nil {
		t.Fatalf("encode the payload of %s: %v", def.Name, err)
	}
	a := &attempt{info: complete(o.info, def.Type), payload: payload, timeout: def.Timeout}
	a.run(t.Context(), def.Handle(handler), o.recorder)
	return outcome(t, def, a, o.recorder)
}

func complete(info task.RunInfo, typ *task.Type) task.RunInfo {
	info.ID = cmp.Or(info.ID, uuid.NewString())
	info.Type = cmp.Or(info.Type, typ.Name)
	info.Queue = cmp.Or(info.Queue, typ.Queue, "default")
	info.Attempt = cmp.Or(info.Attempt, 1)
	info.MaxRetries = cmp.Or(info.MaxRetries, typ.MaxRetries)
	if info.CreatedAt.IsZero() {
		info.CreatedAt = time.Now().UTC()
	}
	return info
}

func outcome[In, Out any](t testing.TB, def task.Definition[In, Out], a *attempt, r *Recorder) *Outcome[Out] {
	t.Helper()
	o := &Outcome[Out]{State: a.state, Err: a.err, Delay: a.delay, Enqueued: r}
	if a.failure != nil {
		o.Failure = &client.Failure{Message: a.failure.Message, Kind: a.failure.Kind}
	}
	for _, p := range a.progress {
		o.Progress = append(o.Progress, client.Progress{Percent: p.Percent, Message: p.Message})
	}
	if a.state != task.Succeeded {
		return o
	}
	for _, fault := range def.ValidateResult(a.result) {
		t.Errorf("the result of %s does not fit its schema: %s %s: %s", def.Name, fault.Location, fault.Message, a.result)
	}
	if len(a.result) > 0 {
		if err := json.Unmarshal(a.result, &o.Result); err != nil {
			t.Errorf("callers cannot read the result of %s: %v: %s", def.Name, err, a.result)
		}
	}
	return o
}
