package backbeattest

import (
	"time"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// maxAttempts is how many attempts a Recorder runs, so that tasks that enqueue themselves again come to an end.
const maxAttempts = 10_000

// Handle gives the Recorder handlers, in addition to those that it has. From then on whoever waits for a task, as client.Run
// does, runs what is enqueued. The types become known, as those of a live worker are.
func (r *Recorder) Handle(sets ...task.Set) {
	r.t.Helper()
	handlers, err := catalog.Handlers(nil, sets...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, h := range handlers {
		r.handlers[name] = h
		if _, known := r.types.Lookup(h.Type.Name); known || !r.types.HasQueue(r.types.QueueOf(h.Type)) {
			continue
		}
		if err := r.types.Add(h.Type); err != nil {
			r.t.Fatal(err)
		}
	}
}

// Run runs the tasks that were enqueued, and those that their handlers enqueue in turn, with the handlers of sets and those of
// Handle, until none is left but those without a handler. It runs one attempt at a time, in the order in which they are due,
// in the caller's goroutine. For delayed tasks and for retries the Recorder's clock jumps ahead. It fails the test after
// 10,000 attempts.
func (r *Recorder) Run(sets ...task.Set) {
	r.t.Helper()
	r.Handle(sets...)
	for r.step() {
	}
}

// step runs the next attempt. It reports false if there is none.
func (r *Recorder) step() bool {
	t, h, a := r.begin()
	if t == nil {
		return false
	}
	if a != nil {
		a.run(r.t.Context(), h, r)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if a == nil {
		r.finish(t, task.Expired)
	} else {
		r.end(t, h, a)
	}
	r.notify()
	return true
}

// begin takes the task that is due next, and returns an attempt of it, nil if it has expired.
func (r *Recorder) begin() (*task.Task, *task.Handler, *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.next()
	if t == nil {
		return nil, nil, nil
	}
	if r.attempts++; r.attempts == maxAttempts {
		r.t.Errorf("tasks were still enqueued after %d attempts, of type %s the last", maxAttempts, t.Type)
	}
	if r.attempts >= maxAttempts {
		return nil, nil, nil
	}
	if early := t.RunAt.Sub(r.now()); early > 0 {
		r.ahead += early
	}
	h, now := r.handlers[t.Type], r.now()
	if t.TotalAttempts == 0 && !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) {
		return t, h, nil
	}
	t.State, t.StartedAt, t.Progress, t.Worker = task.Running, now, nil, "backbeattest"
	t.Attempt++
	t.TotalAttempts++
	a := &attempt{payload: t.Payload, timeout: t.Timeout, info: task.RunInfo{
		ID: t.ID, Type: t.Type, Queue: t.Queue, Attempt: t.Attempt, MaxRetries: t.MaxRetries,
		Metadata: t.Metadata, Schedule: t.Schedule, CreatedAt: t.CreatedAt,
	}}
	if !t.Deadline.IsZero() {
		a.deadline = t.Deadline.Add(-r.ahead)
	}
	return t, h, a
}

// next returns the task that is due next, of those that wait and have a handler; nil if there is none.
func (r *Recorder) next() (first *task.Task) {
	for _, t := range r.tasks {
		waits := t.State == task.Pending || t.State == task.Scheduled || t.State == task.Retrying
		if waits && r.handlers[t.Type] != nil && (first == nil || t.RunAt.Before(first.RunAt)) {
			first = t
		}
	}
	return first
}

// end writes down how an attempt ended.
func (r *Recorder) end(t *task.Task, h *task.Handler, a *attempt) {
	t.Error, t.Progress = a.failure, nil
	if n := len(a.progress); n > 0 {
		t.Progress = &a.progress[n-1]
	}
	switch a.state {
	case task.Scheduled:
		t.Attempt--
		t.TotalAttempts--
		t.State, t.RunAt = a.state, r.now().Add(a.delay)
	case task.Retrying:
		delay := a.delay
		if _, fixed := task.DelayOf(a.err); !fixed {
			delay = h.Type.Backoff.Delay(t.Attempt - 1)
		}
		t.State, t.RunAt = a.state, r.now().Add(delay.Round(time.Millisecond))
	default:
		t.Result = a.result
		r.finish(t, a.state)
	}
}

func (r *Recorder) finish(t *task.Task, state task.State) {
	t.State, t.FinishedAt = state, r.now()
	t.KeptUntil = t.FinishedAt.Add(t.Retention)
}
