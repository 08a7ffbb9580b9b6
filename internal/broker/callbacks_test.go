package broker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/broker/ticks"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// told is what the tasks of type "tell" were made to say of others that have ended.
type told struct {
	TaskID, URL string
	State       task.State
	Result      string
	Failure     string
	Attempt     int
	Finished    time.Time
	Worker      string
	Payload     string
}

// telephone is the other end of callbacks: "tell" is to them what callback.deliver is.
type telephone struct {
	f  *workshop
	mu sync.Mutex
	// calls are what was told, and ids the tasks that did so.
	calls []told
	ids   []string
	rang  chan struct{} // gets a word at each call
}

func newTelephone(f *workshop) *telephone {
	p := &telephone{f: f, rang: make(chan struct{}, 10_000)}
	f.registry.AllowCallbacks()
	define(f, "tell", func(ctx context.Context, in told) (task.None, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.calls, p.ids = append(p.calls, in), append(p.ids, task.Info(ctx).ID)
		p.rang <- struct{}{}
		return task.None{}, nil
	}, task.Internal())
	return p
}

// with makes a worker deliver callbacks.
func (p *telephone) with(cfg *worker.Config) {
	cfg.Callback = func(t *task.Task, _ bool) (task.Request, error) {
		say := told{
			TaskID: t.ID, URL: t.Callback.URL, State: t.State, Result: string(t.Result), Attempt: t.Attempt, Finished: t.FinishedAt,
			Worker: t.Worker, Payload: string(t.Payload),
		}
		if t.Error != nil {
			say.Failure = string(t.Error.Kind) + ": " + t.Error.Message
		}
		payload, err := json.Marshal(say)
		return task.Request{Type: "tell", Payload: payload}, err
	}
}

// wait returns what was told when n calls have come.
func (p *telephone) wait(n int) []told {
	p.f.t.Helper()
	for range n {
		select {
		case <-p.rang:
		case <-time.After(2 * patience):
			p.mu.Lock()
			defer p.mu.Unlock()
			p.f.t.Fatalf("%d calls, want %d: %+v", len(p.calls), n, p.calls)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]told(nil), p.calls...)
}

// wantSilence checks that no callback is in an outbox or in a queue.
func (p *telephone) wantSilence() {
	p.f.t.Helper()
	for _, q := range queues {
		p.f.waitZero("XLEN", "backbeat:{"+q.Name+"}:outbox:callbacks")
		p.f.waitZero("LLEN", "asynq:{"+q.Name+"}:pending")
		p.f.waitZero("LLEN", "asynq:{"+q.Name+"}:active")
	}
	if n := len(p.rang); n > 0 {
		p.f.t.Errorf("%d calls too many: %+v", n, p.calls)
	}
}

func (f *workshop) waitZero(command, key string) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); f.rdb.Do(f.t.Context(), command, key).Val() != int64(0); f.yield() {
		if time.Now().After(deadline) {
			f.t.Fatalf("%s is not empty", key)
		}
	}
}

func callTo(url string, events ...task.State) *task.Callback {
	return &task.Callback{URL: url, Events: events}
}

// endings is one task for each way to end, under its name as id and as path of the callback. No worker is to run yet.
func (f *workshop) endings(retention time.Duration, expired time.Time) (want map[string]task.State) {
	f.t.Helper()
	ask := func(id, typ string, change func(*task.Request)) {
		req := task.Request{ID: id, Type: typ, Callback: callTo("https://example.com/" + id), Retention: &retention, MaxRetries: ptr(0)}
		if change != nil {
			change(&req)
		}
		f.enqueue(req)
	}
	ask("succeeded", "echo", nil)
	ask("without-result", "nothing", nil)
	ask("failed", "fail", nil)
	ask("canceled-pending", "echo", nil)
	ask("canceled-scheduled", "echo", func(r *task.Request) { r.Delay = ptr(time.Hour) })
	ask("canceled-running", "block", nil)
	ask("expired-scheduled", "echo", func(r *task.Request) { r.RunAt, r.ExpiresAt = expired, expired })
	ask("expired-pending", "echo", func(r *task.Request) { r.Queue, r.ExpiresAt = "low", expired })
	return map[string]task.State{
		"succeeded": task.Succeeded, "without-result": task.Succeeded, "failed": task.Failed,
		"canceled-pending": task.Canceled, "canceled-scheduled": task.Canceled, "canceled-running": task.Canceled,
		"expired-scheduled": task.Expired, "expired-pending": task.Expired,
	}
}

// However a task ends, its callback is made once, and tells how it ended: also of a task of which nothing is kept.
func TestEveryEndMakesItsCallback(t *testing.T) {
	for name, retention := range map[string]time.Duration{"retained": time.Hour, "dropped": 0} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			p := newTelephone(f)
			define(f, "nothing", func(context.Context, input) (task.None, error) { return task.None{}, nil })
			define(f, "nobody", func(context.Context, input) (task.None, error) { return task.None{}, nil })
			expired := time.Now().Add(2 * time.Second) // by when all are enqueued
			want := f.endings(retention, expired)
			for _, id := range []string{"canceled-pending", "canceled-scheduled"} {
				_, err := f.client.Cancel(t.Context(), id)
				f.must(err)
			}
			f.waitUntil(expired)
			if _, err := f.client.Get(t.Context(), "expired-pending"); retention > 0 { // who reads ends it; a worker ends the other
				f.must(err)
			}
			w := f.worker(p.with, withoutHandler("nobody"))
			f.started()
			_, err := f.client.Cancel(t.Context(), "canceled-running")
			f.must(err)

			got := make(map[string]task.State)
			for _, call := range p.wait(len(want)) {
				got[call.TaskID] = call.State
				if call.URL != "https://example.com/"+call.TaskID || call.Finished.IsZero() || call.Payload != `{"n":1}` {
					t.Errorf("%+v", call)
				}
				switch call.TaskID {
				case "succeeded":
					if call.Result != `{"n":1}` || call.Attempt != 1 || call.Worker != w.ID() {
						t.Errorf("%+v", call)
					}
				case "failed":
					if call.Failure != "error: no luck" || call.Attempt != 1 {
						t.Errorf("%+v", call)
					}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("told of (-want +got):\n%s", diff)
			}
			p.wantSilence()
			if retention > 0 {
				f.wantToldAsKept(p.calls)
			}
		})
	}
}

// wantToldAsKept checks that what was told of tasks is what is kept of them.
func (f *workshop) wantToldAsKept(calls []told) {
	f.t.Helper()
	for _, call := range calls {
		kept := f.get(call.TaskID)
		if kept.State != call.State || string(kept.Result) != call.Result || kept.Attempt != call.Attempt ||
			!kept.FinishedAt.Equal(call.Finished) || kept.Worker != call.Worker || kept.Callback.URL != call.URL {
			f.t.Errorf("told is %+v, kept is %+v", call, kept)
		}
	}
}

func TestCrashedTasksMakeTheirCallback(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := newTelephone(f)
	f.enqueue(task.Request{Type: "echo", ID: "a", Callback: callTo("https://example.com")})
	// Two workers have died with it, and the third has: it is active, and nobody holds it.
	f.must(f.rdb.LMove(t.Context(), "asynq:{default}:pending", "asynq:{default}:active", "right", "left").Err())
	f.must(f.rdb.HSet(t.Context(), "asynq:{default}:t:a", "state", "active", "bb:attempt", 3, "bb:crashes", 2).Err())
	f.worker(p.with)
	if call := p.wait(1)[0]; call.State != task.Failed || !strings.HasPrefix(call.Failure, "crashed: ") || call.Attempt != 3 {
		t.Errorf("%+v", call)
	}
	p.wantSilence()
}

// A cancellation that the worker died before it could obey is obeyed by the next fetch.
func TestCanceledAndLostMakesItsCallback(t *testing.T) {
	f := newFleet(t)
	p := newTelephone(f)
	f.enqueue(task.Request{Type: "echo", ID: "a", Callback: callTo("https://example.com")})
	f.must(f.rdb.HSet(t.Context(), "asynq:{default}:t:a", "bb:cancel", 1).Err())
	f.worker(p.with)
	if call := p.wait(1)[0]; call.State != task.Canceled {
		t.Errorf("%+v", call)
	}
	p.wantSilence()
}

func TestCallbacksAreForTheirEventsOnly(t *testing.T) {
	f := newFleet(t)
	p := newTelephone(f)
	f.worker(p.with)
	for _, req := range []task.Request{
		{Type: "echo", ID: "quiet-1", Callback: callTo("https://example.com", task.Failed, task.Canceled, task.Expired)},
		{Type: "fail", ID: "quiet-2", Callback: callTo("https://example.com", task.Succeeded)},
		{Type: "echo", ID: "quiet-3"},
		{Type: "fail", ID: "loud", Callback: callTo("https://example.com", task.Expired, task.Failed)},
	} {
		f.wait(f.enqueue(req).ID)
	}
	gone := f.enqueue(task.Request{Type: "echo", Delay: ptr(time.Hour), Callback: callTo("https://example.com")})
	f.must(f.client.Delete(t.Context(), gone.ID)) // which is no end
	if calls := p.wait(1); calls[0].TaskID != "loud" || calls[0].Attempt != 2 {
		t.Errorf("%+v", calls)
	}
	p.wantSilence()
}

// A task that is tried again by hand ends again.
func TestEachEndHasItsOwnCallback(t *testing.T) {
	f := newFleet(t)
	p := newTelephone(f)
	f.worker(p.with)
	f.enqueue(task.Request{Type: "fail", ID: "order.17", MaxRetries: ptr(0), Callback: callTo("https://example.com")})
	for n := range 3 {
		f.wait("order.17")
		if calls := p.wait(1); len(calls) != n+1 || calls[n].State != task.Failed || calls[n].Attempt != 1 {
			t.Fatalf("%+v", calls)
		}
		_, err := f.client.Retry(t.Context(), "order.17")
		f.must(err)
	}
	p.wait(1)
	p.wantSilence()
	seen := make(map[string]bool)
	for _, id := range p.ids {
		if seen[id] || !strings.HasPrefix(id, "order_17:callback:") || strings.Contains(id, ".") {
			t.Errorf("deliveries have the ids %q", p.ids)
		}
		seen[id] = true
	}
}

// Workers may die between the end of a task and its callback: the entry is in the outbox by then.
func TestCallbacksOutliveWorkers(t *testing.T) {
	f := newFleetAOF(t)
	p := newTelephone(f)
	w := f.worker() // which ends tasks and makes no callbacks
	const n = 100   // more than a batch
	for i := range n {
		f.enqueue(task.Request{Type: "echo", ID: fmt.Sprint("t", i), Retention: ptr(time.Duration(0)), Callback: callTo("https://example.com")})
	}
	for i := range n {
		f.waitGone(fmt.Sprint("t", i))
	}
	w.Stop()
	f.redis.Kill()
	f.redis.Restart()
	if left := f.rdb.XLen(t.Context(), "backbeat:{default}:outbox:callbacks").Val(); left != n {
		t.Fatalf("%d callbacks are in the outbox, want %d", left, n)
	}
	// It was about to make some, and has died.
	f.must(f.rdb.Set(t.Context(), "backbeat:{default}:outbox:callbacks:worker", "dead", time.Second).Err())
	f.worker(p.with)
	p.wantOnce(n)
}

func (p *telephone) wantOnce(n int) {
	p.f.t.Helper()
	times := make(map[string]int)
	for _, call := range p.wait(n) {
		times[call.TaskID]++
	}
	p.wantSilence()
	if len(times) != n {
		p.f.t.Errorf("told of %d tasks, want %d", len(times), n)
	}
}

// Workers come and go, Redis breaks off in between, and all of them want to make the callbacks.
func TestManyWorkersMakeEachCallbackOnce(t *testing.T) {
	f := newFleetAOF(t)
	p := newTelephone(f)
	var workshop []*worker.Server
	for range 4 {
		workshop = append(workshop, f.worker(p.with))
	}
	const n = 600
	for i := range n {
		f.enqueue(task.Request{Type: "echo", ID: fmt.Sprint("t", i), Queue: queues[i%3].Name, Callback: callTo("https://example.com")})
		switch i {
		case n / 4:
			f.redis.Freeze()
			f.redis.Thaw()
		case n / 2:
			workshop[0].Stop()
			workshop[1].Stop()
		}
	}
	p.wantOnce(n)
}

// A worker that is stopped while it is its turn loses that to another, and what it does when it wakes up has no effect.
func TestStoppedWorkersLoseTheirTurn(t *testing.T) {
	f := newFleet(t)
	p := newTelephone(f)
	reached, wakeUp := make(chan struct{}, 100), make(chan struct{})
	f.worker(p.with, func(cfg *worker.Config) {
		prompt := cfg.Callback
		cfg.Callback = func(t *task.Task, omitted bool) (task.Request, error) {
			reached <- struct{}{}
			<-wakeUp
			return prompt(t, omitted)
		}
	})
	wake := sync.OnceFunc(func() { close(wakeUp) })
	t.Cleanup(wake)
	f.enqueue(task.Request{Type: "echo", ID: "first", Callback: callTo("https://example.com")})
	<-reached
	// It is over by itself. Both workers are of one process here, and so have one name.
	if left := f.rdb.PTTL(t.Context(), "backbeat:{default}:outbox:callbacks:worker").Val(); left == -1 {
		t.Error("its turn never ends")
	}
	other := f.worker(p.with)
	p.wait(1)
	wake()
	other.Stop() // so that its turn comes again
	// When it makes another one, it is through with the first.
	for n := 0; len(reached) == 0; n++ {
		f.enqueue(task.Request{Type: "echo", ID: fmt.Sprint("t", n), Callback: callTo("https://example.com")})
		p.wait(1)
	}
	p.wantSilence()
}

// Nothing waits for a worker to look: an end wakes whoever makes callbacks.
func TestCallbacksAreMadeAtOnce(t *testing.T) {
	f := newFleet(t)
	p := newTelephone(f)
	f.worker(p.with)
	f.wait(f.enqueue(task.Request{Type: "echo"}).ID)
	const n = 20
	quickest := time.Hour
	for i := range n {
		began := time.Now()
		f.enqueue(task.Request{Type: "echo", ID: fmt.Sprint("t", i), Callback: callTo("https://example.com")})
		p.wait(1)
		quickest = min(quickest, time.Since(began))
	}
	// Whoever is not woken looks once a second, and has just done so when the next task is enqueued.
	if quickest > 500*time.Millisecond {
		t.Errorf("the quickest of %d callbacks took %s", n, quickest)
	}
}

func TestTicksBringTheirCallback(t *testing.T) {
	f := newFleet(t)
	p := newTelephone(f)
	beat := ticks.New(f.rdb, f.client)
	at := time.UnixMilli(1000)
	var entries []*schedule.OutboxEntry
	for n, callback := range []*task.Callback{nil, callTo("https://example.com", task.Succeeded), callTo("https://example.com", task.Failed)} {
		made := f.prepare(task.Request{
			Type: "echo", Schedule: &task.Tick{ScheduleID: "s", At: at}, Callback: callback,
			Payload: []byte(`{"n":1}`), Metadata: map[string]string{"note": "backbeat-callback"},
		})
		made.ID = fmt.Sprint("tick-", n)
		entries = append(entries, &schedule.OutboxEntry{ScheduleID: "s", Run: schedule.Run{Tick: at, TaskID: made.ID}, Queue: "default", Message: beat.Encode(made)})
	}
	f.must(beat.EnqueueTicks(t.Context(), 1, &schedule.Batch{ID: "1-1", Entries: entries}))
	f.worker(p.with)
	if calls := p.wait(1); calls[0].TaskID != "tick-1" {
		t.Errorf("%+v", calls)
	}
	p.wantSilence()
}

// One promise that is spoilt holds up none of the others, and is logged.
func TestCallbacksThatCannotBeRead(t *testing.T) {
	f := newFleet(t)
	p := newTelephone(f)
	w := f.worker()
	for _, id := range []string{"a", "b"} {
		f.wait(f.enqueue(task.Request{Type: "echo", ID: id, Callback: callTo("https://example.com")}).ID)
		f.must(f.rdb.Do(t.Context(), "XADD", "backbeat:{default}:outbox:callbacks", "*", "id", "bad", "msg", "\xff\xff").Err())
		f.must(f.rdb.Do(t.Context(), "XADD", "backbeat:{default}:outbox:callbacks", "*", "else", "").Err())
	}
	w.Stop()
	var log lockedBuffer
	f.worker(p.with, func(cfg *worker.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	p.wantOnce(2)
	if n := strings.Count(log.String(), "a callback cannot be made and is dropped"); n != 4 {
		t.Errorf("%d lines in the log, want 4:\n%s", n, log.String())
	}
}

// lockedBuffer takes the lines of a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A callback stands before tasks that have not begun: it ends what has.
func TestCallbacksGoBeforeWhatWaits(t *testing.T) {
	f := newFleet(t)
	p := newTelephone(f)
	f.worker(p.with, func(cfg *worker.Config) { cfg.Concurrency = 1 })
	f.enqueue(task.Request{Type: "block", ID: "first"})
	first := f.started()
	for i := range 50 {
		f.enqueue(task.Request{Type: "block", ID: fmt.Sprint("later-", i)})
	}
	f.enqueue(task.Request{Type: "block", ID: "canceled", Callback: callTo("https://example.com")})
	_, err := f.client.Cancel(t.Context(), "canceled")
	f.must(err)
	f.waitZero("XLEN", "backbeat:{default}:outbox:callbacks")
	first.release <- nil
	p.wait(1) // one that waits would block for good
}
