package intercept

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/meter"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
	"github.com/redis/go-redis/v9"
)

// lane is the Redis client that an asynq.Server works with. It knows asynq's scripts by their keys, and puts two of
// our own mechanisms in the place of those that take a task and give it back: the prefetcher and the acker.
// Everything else passes. A script of a future asynq that it does not know passes too, and does what asynq means
// by it.
type Interceptor struct {
	redis.UniversalClient
	prefetch *prefetcher
	acks     *acker
	clock    Clock
	server   *wire.ServerInfo // who this is
	logger   *slog.Logger
	prune    sync.Once
	extends  sync.WaitGroup // the writes of asynq's heartbeat in flight
	state    stateWriter

	mu       sync.Mutex
	attempts map[wire.Ref]*Attempt
}

// redisClock tells the time of Redis, and how far it is ahead of the clock of this machine.
type Clock interface {
	Now() time.Time
	Ahead() time.Duration
}

// laneConfig says what a worker fetches.
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
	Logger      *slog.Logger
	Meter       meter.Worker
}

// newLane returns the client that an asynq.Server is to work with. The connection stays the caller's to close.
func New(rdb redis.UniversalClient, cfg Config) *Interceptor {
	l := &Interceptor{UniversalClient: rdb, clock: cfg.Clock, server: cfg.Server, logger: cfg.Logger, attempts: make(map[wire.Ref]*Attempt)}
	l.acks = newAcker(rdb, cfg)
	l.prefetch = newPrefetcher(rdb, cfg, l)
	return l
}

// wake says that a queue has something to do; "" that any may have.
func (l *Interceptor) Wake(queue string) { l.prefetch.wake(queue) }

// keepFresh requeues fetched tasks that wait too long for their start, until ctx ends.
func (l *Interceptor) KeepFresh(ctx context.Context) { l.prefetch.keepFresh(ctx) }

// stopFetching ends the fetching of tasks. It is called once.
func (l *Interceptor) StopFetching() { close(l.prefetch.quit) }

// requeueFetched requeues what has not been started, once asynq's processor has ended.
func (l *Interceptor) RequeueFetched() { l.prefetch.close() }

// stopAcks ends the writing of the ends of attempts; see acker.stop. It is called once.
func (l *Interceptor) StopAcks() { l.acks.stop() }

// wait waits for the writes of asynq's heartbeat in flight.
func (l *Interceptor) Wait() { l.extends.Wait() }

// finishCrashed ends a task that has had its last crash.
func (l *Interceptor) FinishCrashed(a *Attempt) error { return l.acks.write(a) }

// EvalSha runs a script of asynq's, or does ours in its place.
func (l *Interceptor) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) *redis.Cmd {
	queue := wire.QueueOfKey(keys[0])
	op := operationOf(queue, keys)
	if op == opFetch {
		return l.fetch(ctx, queue)
	}
	switch op {
	case opNone:
		return l.UniversalClient.EvalSha(ctx, sha1, keys, args...)
	case opForward, opDropCompleted: // the maintainer does that
		none := redis.NewCmd(ctx)
		none.SetVal(int64(0))
		return none
	case opWriteState:
		return l.state.write(ctx, l, sha1, keys, args)
	}
	if op == opListExpired {
		// asynq's recoverer asks for tasks of dead workers, to make them pay with a retry. Ours has been there before,
		// or will be.
		cmd := redis.NewCmd(ctx)
		cmd.SetVal([]any{})
		return cmd
	}
	id, _ := args[0].(string)
	a := l.Attempt(wire.Ref{Queue: queue, ID: id})
	if a != nil && op == opRequeue {
		a.requeue(task.Pending)
	}
	// Nothing of asynq's ends a task that this process does not run.
	if a == nil || !a.hasEnded() {
		return l.UniversalClient.EvalSha(ctx, sha1, keys, args...)
	}
	return l.finish(ctx, a)
}

// Eval runs a script that Redis did not know by its SHA1.
func (l *Interceptor) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	if operationOf(wire.QueueOfKey(keys[0]), keys) == opWriteState {
		keys, args = l.renameAll(keys), l.amendState(args)
	}
	return l.UniversalClient.Eval(ctx, script, keys, args...)
}

// ZAddXX extends leases for asynq's heartbeat, which neither waits for that nor hears that it failed. A lease tells
// other workers that this one lives, and they believe nothing of the kind of anybody while Redis is away; but asynq
// would give up, with all that its tasks have done, an attempt whose lease it could not extend. Should this worker
// alone be cut off, its tasks run elsewhere, and the fence drops what it writes of them later.
func (l *Interceptor) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	l.extends.Go(func() {
		if err := l.UniversalClient.ZAddXX(ctx, key, l.inRedisTime(members)...).Err(); err != nil {
			l.logger.Debug("leases not extended", "key", key, "error", err)
		}
	})
	return redis.NewIntResult(0, nil)
}

type operation int

const (
	opNone operation = iota
	opFetch
	opRequeue
	opFinish
	opListExpired
	opForward
	opDropCompleted
	opWriteState
)

// operationOf recognizes asynq's scripts. The keys of dequeue are pending, paused, active, lease; those of
// requeue active, lease, pending, task; done and complete begin with active, lease; retry and archive with
// task, active, lease, and then the set that the task goes to; the one that lists expired leases has that key alone; those of
// forward are scheduled or retry, and pending; the janitor's has completed alone; the one that writes what a server runs has two keys of that server.
func operationOf(queue string, keys []string) operation {
	is := func(i int, key string) bool { return i < len(keys) && keys[i] == key }
	switch {
	case is(0, wire.PendingKey(queue)) && is(2, wire.ActiveKey(queue)):
		return opFetch
	case is(0, wire.ActiveKey(queue)) && is(1, wire.LeaseKey(queue)) && is(2, wire.PendingKey(queue)):
		return opRequeue
	case is(0, wire.ActiveKey(queue)) && is(1, wire.LeaseKey(queue)):
		return opFinish
	case is(1, wire.ActiveKey(queue)) && (is(3, wire.RetryKey(queue)) || is(3, wire.ArchivedKey(queue))):
		return opFinish
	case len(keys) == 1 && is(0, wire.LeaseKey(queue)):
		return opListExpired
	case len(keys) == 2 && is(1, wire.PendingKey(queue)) && (is(0, wire.ScheduledKey(queue)) || is(0, wire.RetryKey(queue))):
		return opForward
	case len(keys) == 1 && is(0, wire.CompletedKey(queue)):
		return opDropCompleted
	case len(keys) == 2 && strings.HasPrefix(keys[0], wire.AsynqServers+":{"):
		return opWriteState
	default:
		return opNone
	}
}

func (l *Interceptor) Attempt(r wire.Ref) *Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attempts[r]
}

// runs reports whether this process is at the task: its handler runs, or has just ended and is not acknowledged yet.
// What ended earlier was given up without a word.
func (l *Interceptor) runs(r wire.Ref) bool {
	a := l.Attempt(r)
	return a != nil && a.endedFor() < duplicateFor
}

// running returns the attempts of this process that are not over. It forgets those that ended long ago and that
// asynq gave up without a word, because it had lost their lease.
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

// count returns how many attempts have started and not ended, and whether one of them must be kept apart from its like.
// One that has ended and waits to be acknowledged counts no more: until what is fetched in its place is here, its
// slot is free.
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

// fetch takes a task for asynq's processor, which wants the message only; the rest is kept for the attempt.
func (l *Interceptor) fetch(ctx context.Context, queue string) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	a := l.prefetch.next(ctx, queue)
	if a == nil {
		cmd.SetErr(redis.Nil) // of a failure too, so that asynq asks the other queues
		return cmd
	}
	l.mu.Lock()
	l.attempts[wire.Ref{Queue: queue, ID: a.ID}] = a
	l.mu.Unlock()
	cmd.SetVal(a.forAsynq())
	return cmd
}

// finish acknowledges an attempt. It answers asynq as its own scripts do when all is well.
func (l *Interceptor) finish(ctx context.Context, a *Attempt) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	l.prefetch.pace.add(a)
	if err := l.acks.write(a); err != nil {
		cmd.SetErr(err)
	} else {
		cmd.SetVal("OK")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.attempts[wire.Ref{Queue: a.Queue, ID: a.ID}] == a {
		delete(l.attempts, wire.Ref{Queue: a.Queue, ID: a.ID})
	}
	return cmd
}
