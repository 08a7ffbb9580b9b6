package intercept

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/meter"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// Interceptor is the Redis client that an asynq.Server works with. It treats each command as the table of operations says:
// tasks come from the prefetcher, and the ends of attempts go to the acker. It refuses a command that is not in the table.
type Interceptor struct {
	redis.UniversalClient // refuses every command that has no method here
	rdb                   redis.UniversalClient
	refusals              *refusals
	prefetch              *prefetcher
	acks                  *acker
	clock                 Clock
	server                *wire.ServerInfo // of this worker
	logger                *slog.Logger
	prune                 sync.Once
	extends               sync.WaitGroup // the writes of asynq's heartbeat in flight
	state                 stateWriter

	mu       sync.Mutex
	attempts map[wire.Ref]*Attempt
}

// Clock is the time of Redis, and how far it is ahead of the clock of this machine.
type Clock interface {
	Now() time.Time
	Ahead() time.Duration
}

// Config says what a worker fetches.
type Config struct {
	// Server names the worker.
	Server *wire.ServerInfo
	// Clock is that of Redis.
	Clock Clock
	// Queues are those that the worker serves. At least one.
	Queues []fleet.Queue
	// Knows reports whether the worker can run tasks of a type. Others are parked.
	Knows func(taskType string) bool
	// StrictPriority empties a queue of a higher weight before it looks at the next.
	StrictPriority bool
	// Concurrency is how many tasks run at once. At least 1.
	Concurrency int
	// Refused is called with the error of the first command that the interceptor refuses. The worker must stop then. Called
	// by asynq's goroutines; must not block. From then on no task is fetched.
	Refused func(error)
	Logger  *slog.Logger
	Meter   meter.Worker
}

// New returns the client that an asynq.Server is to work with. The caller closes rdb.
func New(rdb redis.UniversalClient, cfg Config) *Interceptor {
	l := &Interceptor{
		rdb: rdb, refusals: newRefusals(cfg.Refused), clock: cfg.Clock, server: cfg.Server, logger: cfg.Logger,
		attempts: make(map[wire.Ref]*Attempt),
	}
	l.UniversalClient = l.refusals.client()
	l.acks = newAcker(rdb, cfg)
	l.prefetch = newPrefetcher(rdb, cfg, l)
	return l
}

// Wake says that a queue may have become ready; "" that any may have.
func (l *Interceptor) Wake(queue string) { l.prefetch.wake(queue) }

// KeepFresh requeues fetched tasks that wait too long for their start, until ctx ends.
func (l *Interceptor) KeepFresh(ctx context.Context) { l.prefetch.keepFresh(ctx) }

// StopFetching ends the fetching of tasks. It is called once.
func (l *Interceptor) StopFetching() { close(l.prefetch.quit) }

// RequeueFetched requeues what has not been started, once asynq's processor has ended.
func (l *Interceptor) RequeueFetched() { l.prefetch.close() }

// StopAcks ends the writing of the ends of attempts; see acker.stop. It is called once.
func (l *Interceptor) StopAcks() { l.acks.stop() }

// Wait waits for the writes of asynq's heartbeat in flight.
func (l *Interceptor) Wait() { l.extends.Wait() }

// FinishCrashed ends a task that has had its last crash.
func (l *Interceptor) FinishCrashed(a *Attempt) error { return l.acks.write(a) }

// scriptCall is a script that asynq runs, named by its SHA1 or given as source.
type scriptCall struct {
	sha1, source string
	keys         []string
	args         []any
}

func (c scriptCall) send(ctx context.Context, rdb redis.UniversalClient) *redis.Cmd {
	if c.sha1 == "" {
		return rdb.Eval(ctx, c.source, c.keys, c.args...)
	}
	return rdb.EvalSha(ctx, c.sha1, c.keys, c.args...)
}

// EvalSha runs a script of asynq, or does what replaces it.
func (l *Interceptor) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) *redis.Cmd {
	return l.run(ctx, scriptCall{sha1: sha1, keys: keys, args: args})
}

// Eval is EvalSha for a script that Redis did not have.
func (l *Interceptor) Eval(ctx context.Context, source string, keys []string, args ...any) *redis.Cmd {
	return l.run(ctx, scriptCall{source: source, keys: keys, args: args})
}

func (l *Interceptor) run(ctx context.Context, c scriptCall) *redis.Cmd {
	switch do := operations.find(viaScript, c.keys).do; do {
	case fetchTask:
		return l.fetch(ctx, wire.QueueOfKey(c.keys[0]))
	case endTask, requeueTask:
		return l.end(ctx, c, do == requeueTask)
	case answerZero:
		return answer(ctx, int64(0))
	case answerNone:
		return answer(ctx, []any{})
	case writeState:
		return l.state.write(ctx, l, c)
	case pass:
		return c.send(ctx, l.rdb)
	default:
		return failed(ctx, l.refusals.refuse("script", c.keys...))
	}
}

func answer(ctx context.Context, v any) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetVal(v)
	return cmd
}

func failed(ctx context.Context, err error) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(err)
	return cmd
}

// Subscribe implements redis.UniversalClient for asynq's subscription to cancellations.
func (l *Interceptor) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	if operations.find(viaSubscribe, channels).do != pass {
		_ = l.refusals.refuse("subscription", channels...)
		return l.UniversalClient.Subscribe(ctx, channels...) // which fails
	}
	return l.rdb.Subscribe(ctx, channels...)
}

// Attempt returns the attempt of a task in this process, or nil.
func (l *Interceptor) Attempt(r wire.Ref) *Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attempts[r]
}

// runs reports whether this process runs the task: its handler runs, or has just ended and is not acknowledged yet. asynq
// abandons an attempt whose lease it has lost, without any command; such an attempt counts for duplicateFor.
func (l *Interceptor) runs(r wire.Ref) bool {
	a := l.Attempt(r)
	return a != nil && a.endedFor() < duplicateFor
}

// Running returns the attempts of this process that have not ended. It forgets attempts that ended long ago and that asynq
// abandoned because it had lost their lease.
func (l *Interceptor) Running() map[wire.Ref]*Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	running := make(map[wire.Ref]*Attempt, len(l.attempts))
	for r, a := range l.attempts {
		switch ended := a.endedFor(); {
		case ended < 0:
			running[r] = a
		case ended > 10*time.Minute:
			delete(l.attempts, r)
		}
	}
	return running
}

// count returns how many attempts have started and not ended, and whether one of them is suspect. An attempt that has
// ended and waits for its acknowledgement does not count: its slot is free by the time the next task is here.
func (l *Interceptor) count() (n int, apart bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.attempts {
		if a.endedFor() < 0 {
			n++
			apart = apart || a.suspect()
		}
	}
	return n, apart
}

// fetch takes a task for asynq's processor, which gets the message only; the rest stays in the attempt.
func (l *Interceptor) fetch(ctx context.Context, queue string) *redis.Cmd {
	if isClosed(l.refusals.first) {
		<-l.prefetch.quit // the worker is about to stop
		return failed(ctx, redis.Nil)
	}
	a := l.prefetch.next(ctx, queue)
	if a == nil {
		return failed(ctx, redis.Nil) // after a failure too, so that asynq asks the other queues
	}
	l.mu.Lock()
	l.attempts[wire.Ref{Queue: queue, ID: a.ID}] = a
	l.mu.Unlock()
	return answer(ctx, a.forAsynq())
}

// errNotRunning is what asynq gets when it ends a task once more whose end could not be written because the worker stops.
// Its own script must not run instead: it compares no attempts, and would store the message without the payload.
var errNotRunning = errors.New("the end of the task was not written; the task is recovered when its lease ends")

// end writes the end of an attempt in the place of asynq's script, and answers asynq as the script does. aborted is for an
// attempt that has no more time: it ends here unless it has ended already.
func (l *Interceptor) end(ctx context.Context, c scriptCall, aborted bool) *redis.Cmd {
	ref := wire.Ref{Queue: wire.QueueOfKey(c.keys[0])}
	if len(c.args) > 0 {
		ref.ID, _ = c.args[0].(string)
	}
	a := l.Attempt(ref)
	if a == nil {
		return failed(ctx, errNotRunning)
	}
	if aborted {
		a.requeue(task.Pending)
	}
	if !a.hasEnded() {
		return failed(ctx, errNotRunning)
	}
	l.prefetch.pace.add(a)
	err := l.acks.write(a)
	l.forget(ref, a)
	if err != nil {
		return failed(ctx, err)
	}
	return answer(ctx, "OK")
}

func (l *Interceptor) forget(ref wire.Ref, a *Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.attempts[ref] == a {
		delete(l.attempts, ref)
	}
}
