package broker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/task"
)

// lane is the Redis client that an asynq.Server works with. It knows asynq's scripts by their keys, and runs our
// own in place of those that take a task and give it back: fetch.lua and finish.lua. Everything else passes.
// A script of a future asynq that it does not know passes too, and does what asynq means by it.
type lane struct {
	redis.UniversalClient
	worker string
	logger *slog.Logger
	quit   chan struct{} // closed when even acknowledgements have no time any more

	mu       sync.Mutex
	attempts map[ref]*attempt
}

func newLane(rdb redis.UniversalClient, worker string, logger *slog.Logger) *lane {
	return &lane{
		UniversalClient: rdb,
		worker:          worker,
		logger:          logger,
		quit:            make(chan struct{}),
		attempts:        make(map[ref]*attempt),
	}
}

// EvalSha runs a script of asynq's, or ours in its place.
func (l *lane) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) *redis.Cmd {
	queue := queueOfKey(keys[0])
	op := operationOf(queue, keys)
	if op == opFetch {
		return l.fetch(ctx, queue, keys, args[0])
	}
	if op == opNone {
		return l.UniversalClient.EvalSha(ctx, sha1, keys, args...)
	}
	id, _ := args[0].(string)
	a := l.attempt(ref{queue, id})
	if a != nil && op == opRequeue {
		a.handBack()
	}
	// asynq's recoverer retries and archives tasks whose lease has expired. Those are not ours, or we do not
	// know yet that we have lost them.
	if a == nil || !a.hasEnded() {
		return l.UniversalClient.EvalSha(ctx, sha1, keys, args...)
	}
	return l.finish(ctx, a)
}

type operation int

const (
	opNone operation = iota
	opFetch
	opRequeue
	opFinish
)

// operationOf recognizes asynq's scripts. The keys of dequeue are pending, paused, active, lease; those of
// requeue active, lease, pending, task; done and complete begin with active, lease; retry and archive with
// task, active, lease, and then the set that the task goes to.
func operationOf(queue string, keys []string) operation {
	is := func(i int, key string) bool { return i < len(keys) && keys[i] == key }
	switch {
	case is(0, pendingKey(queue)) && is(2, activeKey(queue)):
		return opFetch
	case is(0, activeKey(queue)) && is(1, leaseKey(queue)) && is(2, pendingKey(queue)):
		return opRequeue
	case is(0, activeKey(queue)) && is(1, leaseKey(queue)):
		return opFinish
	case is(1, activeKey(queue)) && (is(3, retryKey(queue)) || is(3, archivedKey(queue))):
		return opFinish
	default:
		return opNone
	}
}

func (l *lane) attempt(r ref) *attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attempts[r]
}

// running returns the attempts of this process that are not over.
func (l *lane) running() map[ref]*attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	running := make(map[ref]*attempt, len(l.attempts))
	for r, a := range l.attempts {
		if !a.hasEnded() {
			running[r] = a
		}
	}
	return running
}

// fetch takes a task for asynq's processor, which wants the message only; the rest is kept for the attempt.
func (l *lane) fetch(ctx context.Context, queue string, keys []string, leaseEnd any) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	for {
		reply, err := fetchScript.run(ctx, l.UniversalClient, queue, time.Now(), keys, leaseEnd, l.worker).Slice()
		if err != nil {
			if !errors.Is(err, redis.Nil) {
				l.sleep(200 * time.Millisecond) // asynq would ask again at once, and again
			}
			cmd.SetErr(err)
			return cmd
		}
		id, _ := reply[0].(string)
		raw, _ := reply[1].(string)
		number, _ := reply[2].(int64)
		a := &attempt{queue: queue, id: id, number: int(number)}
		if a.message, err = decodeMessage([]byte(raw)); err != nil {
			l.discard(ctx, a, raw, err)
			continue
		}
		l.mu.Lock()
		l.attempts[ref{queue, id}] = a
		l.mu.Unlock()
		cmd.SetVal(raw)
		return cmd
	}
}

// discard ends a task whose message nobody can read as failed. asynq would leave it active, and trip over it
// whenever it looks for expired leases.
func (l *lane) discard(ctx context.Context, a *attempt, raw string, err error) {
	l.logger.Error("task cannot be read and has failed", "task", a.id, "queue", a.queue, "error", err)
	a.message = &message{}
	a.ended, a.outcome = true, task.Failed
	a.failure = task.Failure{Message: err.Error(), Kind: task.KindPermanent}
	_ = l.finishWith(ctx, a, []byte(raw)) // it fails only when the worker is stopping
}

// finish acknowledges an attempt. It answers asynq as its own scripts do when all is well.
func (l *lane) finish(ctx context.Context, a *attempt) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	if err := l.finishWith(ctx, a, nil); err != nil {
		cmd.SetErr(err)
	} else {
		cmd.SetVal("OK")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.attempts[ref{a.queue, a.id}] == a {
		delete(l.attempts, ref{a.queue, a.id})
	}
	return cmd
}

// finishWith writes the end of an attempt, and tries until Redis has taken it: the work is done, and must not be
// done again because of an outage. asynq would try with a context that has ended. A second writing of the
// same end finds nothing to do, as does that of an attempt that was fenced off.
func (l *lane) finishWith(ctx context.Context, a *attempt, raw []byte) error {
	ctx = context.WithoutCancel(ctx)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		now := time.Now()
		ended, err := finishScript.run(ctx, l.UniversalClient, a.queue, now,
			[]string{taskKey(a.queue, a.id), activeKey(a.queue), leaseKey(a.queue)}, a.finishArgs(now, raw)...).Text()
		switch {
		case err == nil:
			l.logger.Debug("task "+ended, "task", a.id, "type", a.message.Type, "attempt", a.number)
			return nil
		case errors.Is(err, redis.Nil):
			l.logger.Warn("attempt came too late and changed nothing", "task", a.id, "attempt", a.number)
			return nil
		}
		l.logger.Warn("end of task not written yet", "task", a.id, "error", err)
		if !l.sleep(wait) {
			return err
		}
	}
}

func (a *attempt) finishArgs(now time.Time, raw []byte) []any {
	a.mu.Lock()
	defer a.mu.Unlock()
	if raw == nil {
		raw = a.finalMessage(now)
	}
	var progress string
	if a.progress != nil {
		progress = encodeProgress(*a.progress)
	}
	return []any{
		a.id, a.number, string(a.outcome), raw, a.result, string(a.failure.Kind), a.failure.Message, progress,
		a.message.retention(a.outcome).Milliseconds(), a.retryAt.UnixMilli(), today(now),
	}
}

// sleep waits, and reports false if the lane is to quit.
func (l *lane) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.quit:
		return false
	}
}
