package intercept

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

// selfTestWait bounds the self-test. It takes some milliseconds; a busy machine may take longer.
const selfTestWait = 30 * time.Second

// SelfTest checks that the asynq of this program sends the commands that the table of operations lists. It runs an
// asynq.Server on a recorder instead of Redis through every end of a task, once in the life of a process.
func SelfTest() error { return tested() }

var tested = sync.OnceValue(func() error { return selfTest(operations) })

// selfTest runs an asynq.Server whose only slot runs one task for each end. asynq's loops start at once, except for the one
// that extends leases, which waits five seconds.
func selfTest(known table) error {
	r := newRecorder(known)
	defer func() { _ = r.Close() }()
	server := asynq.NewServerFromRedisClient(r, asynq.Config{
		Concurrency: 1, Queues: map[string]int{selfTestQueue: 1}, Logger: silent{}, LogLevel: asynq.FatalLevel,
		TaskCheckInterval: 1, DelayedTaskCheckInterval: 1, JanitorInterval: 1, ShutdownTimeout: 1,
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.runTasks(server)
	}()
	select {
	case <-ended:
		return r.result()
	case <-time.After(selfTestWait):
		return incompatible(fmt.Sprintf("its self-test did not end in %s", selfTestWait))
	}
}

// runTasks serves the recorder's tasks until the last one runs, and shuts the server down, which requeues that one.
func (r *recorder) runTasks(server *asynq.Server) {
	defer close(r.ended)
	if err := server.Start(asynq.HandlerFunc(r.handle)); err != nil {
		_ = r.refusals.refuse("error of its server: " + err.Error())
		return
	}
	<-r.ready
	close(r.stopping)
	server.Shutdown()
}

const selfTestQueue = "selftest"

// selfTestTasks are run in order. The last one runs until the server shuts down.
func selfTestTasks() []*wire.Message {
	const unique = "asynq:{" + selfTestQueue + "}:unique:x:y"
	tasks := []*wire.Message{
		{Type: "succeed"},
		{Type: "succeed", UniqueKey: unique},
		{Type: "succeed", Retention: 60},
		{Type: "succeed", Retention: 60, UniqueKey: unique},
		{Type: "fail", Retry: 1},
		{Type: "fail"}, // asynq archives it
		{Type: "block"},
	}
	for i, m := range tasks {
		m.ID, m.Queue, m.Timeout = fmt.Sprintf("selftest-%d", i), selfTestQueue, 3600
	}
	return tasks
}

// recorder is a Redis that notes which operations it was sent, and answers each as Redis would.
type recorder struct {
	redis.UniversalClient // refuses every command that has no method here
	known                 table
	refusals              *refusals
	unreachable           *redis.Client
	ready                 chan struct{} // closed when the server can shut down
	stopping              chan struct{} // closed when it does
	ended                 chan struct{} // closed when it has

	mu      sync.Mutex
	tasks   []*wire.Message // that are left
	missing map[string]bool // operations
	refused error           // the first refusal
	blocks  bool            // the last task runs
}

func newRecorder(known table) *recorder {
	r := &recorder{
		known: known, tasks: selfTestTasks(), missing: make(map[string]bool),
		ready: make(chan struct{}), stopping: make(chan struct{}), ended: make(chan struct{}),
		unreachable: newUnconnected(func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("there is no redis")
		}),
	}
	r.refusals = newRefusals(func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.refused = err
		r.check()
	})
	r.UniversalClient = r.refusals.client()
	for _, op := range operations {
		r.missing[op.name] = op.do != extendLeases
	}
	return r
}

// Close implements redis.UniversalClient.
func (r *recorder) Close() error {
	return errors.Join(r.UniversalClient.Close(), r.unreachable.Close())
}

// duringShutdown are the operations that a server sends when it shuts down.
var duringShutdown = map[string]bool{"requeue": true, "unlist server": true, "unlist workers": true}

// check lets the server shut down once nothing is left to wait for. The lock is held.
func (r *recorder) check() {
	if isClosed(r.ready) {
		return
	}
	for name, missing := range r.missing {
		if r.refused == nil && missing && !duringShutdown[name] {
			return
		}
	}
	if r.refused != nil || r.blocks {
		close(r.ready)
	}
}

// result returns an error if a command was refused, or an expected one did not come.
func (r *recorder) result() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused != nil {
		return r.refused
	}
	for _, op := range operations {
		if r.missing[op.name] {
			return incompatible(fmt.Sprintf("in the self-test it did not send the command %q", op.name))
		}
	}
	return nil
}

// note records an operation, or refuses it, and reports whether it was recorded before.
func (r *recorder) note(via command, keys ...string) (op *operation, repeated bool, err error) {
	op = r.known.find(via, keys)
	if op.do == refuse {
		return op, false, r.refusals.refuse(strings.ToLower(string(via)), keys...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	repeated = !r.missing[op.name]
	r.missing[op.name] = false
	r.check()
	return op, repeated, nil
}

func (r *recorder) handle(_ context.Context, t *asynq.Task) error {
	switch t.Type() {
	case "fail":
		return errors.New("as intended")
	case "block":
		r.mu.Lock()
		r.blocks = true
		r.check()
		r.mu.Unlock()
		<-r.ended
	}
	return nil
}

// EvalSha implements redis.UniversalClient.
func (r *recorder) EvalSha(ctx context.Context, _ string, keys []string, _ ...any) *redis.Cmd {
	op, repeated, err := r.note(viaScript, keys...)
	if err != nil {
		return failed(ctx, err)
	}
	switch op.do {
	case fetchTask:
		return r.nextTask(ctx)
	case answerZero:
		if repeated {
			<-r.stopping // asynq's loops make no pauses here
		}
		return answer(ctx, int64(0))
	case answerNone:
		return answer(ctx, []any{})
	default:
		return answer(ctx, "OK")
	}
}

// Eval implements redis.UniversalClient.
func (r *recorder) Eval(ctx context.Context, _ string, keys []string, args ...any) *redis.Cmd {
	return r.EvalSha(ctx, "", keys, args...)
}

func (r *recorder) nextTask(ctx context.Context) *redis.Cmd {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.tasks) == 0 {
		return failed(ctx, redis.Nil)
	}
	m := r.tasks[0]
	r.tasks = r.tasks[1:]
	return answer(ctx, string(m.Encode()))
}

// ZAdd implements redis.UniversalClient.
func (r *recorder) ZAdd(_ context.Context, key string, _ ...redis.Z) *redis.IntCmd {
	_, _, err := r.note(viaZAdd, key)
	return redis.NewIntResult(1, err)
}

// ZAddXX implements redis.UniversalClient.
func (r *recorder) ZAddXX(_ context.Context, key string, _ ...redis.Z) *redis.IntCmd {
	_, _, err := r.note(viaZAddXX, key)
	return redis.NewIntResult(0, err)
}

// ZRem implements redis.UniversalClient.
func (r *recorder) ZRem(_ context.Context, key string, _ ...any) *redis.IntCmd {
	_, _, err := r.note(viaZRem, key)
	return redis.NewIntResult(1, err)
}

// Subscribe implements redis.UniversalClient. The subscription fails; asynq would try again after five seconds.
func (r *recorder) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	_, _, _ = r.note(viaSubscribe, channels...)
	return r.unreachable.Subscribe(ctx, channels...)
}

// silent is the log of the self-test: its server fails on purpose.
type silent struct{}

func (silent) Debug(...any) {}
func (silent) Info(...any)  {}
func (silent) Warn(...any)  {}
func (silent) Error(...any) {}
func (silent) Fatal(...any) {}
