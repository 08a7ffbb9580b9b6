package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/clock"
	"github.com/backbeat-go/backbeat/internal/broker/intercept"
	"github.com/backbeat-go/backbeat/internal/broker/meter"
	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// Config says what a worker runs, and how.
type Config struct {
	// Types complete the requests for callbacks.
	Types *catalog.Catalog
	// Handlers run the tasks, by the names of types and their aliases. A task of another type waits for a worker that knows it.
	Handlers map[string]*task.Handler
	// Failed is called with each attempt that failed. Default: nothing is.
	Failed task.FailureHook
	// Queues are those that the worker serves. At least one.
	Queues []fleet.Queue
	// Fatal is called at most once, with an error that the worker cannot go on with: its asynq sends what it does not know.
	// The caller must call Stop then, but not inside Fatal, which must not block. Default: the error is logged.
	Fatal func(error)
	// Callback returns the task that delivers a callback about t; the result of t may have been omitted as too large. The
	// type of the task is among Types. nil: this worker leaves callbacks to others.
	Callback func(t *task.Task, resultOmitted bool) (task.Request, error)
	// StrictPriority empties a queue of a higher weight before it looks at the next. Default: shares by weight.
	StrictPriority bool
	// Concurrency is how many tasks run at once. At least 1.
	Concurrency int
	// MaxResultBytes bounds what a handler may return; more fails its task for good. 0: nothing does.
	MaxResultBytes int
	// ShutdownTimeout is how long Stop waits for running tasks before it requeues them.
	ShutdownTimeout time.Duration
	Logger          *slog.Logger
	// Meter counts what the worker does. Default: nothing does.
	Meter meter.Worker
}

// Server runs tasks. It is an asynq.Server behind an interceptor, and loops that listen for work, fetch it and maintain
// the queues.
type Server struct {
	id    string
	cfg   Config
	rdb   redis.UniversalClient
	clock interface {
		intercept.Clock
		Close()
	}
	interceptor *intercept.Interceptor
	asynq       *asynq.Server
	maintainer  *maintainer
	end         context.CancelFunc // of the loops
	loops       sync.WaitGroup
	stop        sync.Once
	drained     chan struct{}
}

// New returns a worker that is not started yet. The caller closes rdb, after Stop. rdb must not repeat commands by itself
// (MaxRetries: -1): a fetch that is sent twice takes two tasks.
func New(rdb redis.UniversalClient, cfg Config) *Server {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host" // as asynq calls it
	}
	if cfg.Meter == nil {
		cfg.Meter = meter.None{}
	}
	if cfg.Fatal == nil {
		cfg.Fatal = func(err error) { cfg.Logger.Error("the worker must stop", "error", err) }
	}
	self := &wire.ServerInfo{Host: host, PID: os.Getpid(), ID: uuid.NewString()}
	s := &Server{id: wire.WorkerID(self), cfg: cfg, rdb: rdb, clock: clock.New(rdb), drained: make(chan struct{})}
	s.interceptor = intercept.New(rdb, intercept.Config{
		Server: self, Clock: s.clock, Queues: cfg.Queues, StrictPriority: cfg.StrictPriority, Concurrency: cfg.Concurrency,
		Knows:   func(taskType string) bool { return cfg.Handlers[taskType] != nil },
		Refused: cfg.Fatal, Logger: cfg.Logger, Meter: cfg.Meter,
	})
	s.maintainer = newMaintainer(s)
	queues := make(map[string]int, len(cfg.Queues))
	for _, q := range cfg.Queues {
		queues[q.Name] = q.Weight
	}
	s.asynq = asynq.NewServerFromRedisClient(s.interceptor, asynq.Config{
		Concurrency:    cfg.Concurrency,
		Queues:         queues,
		StrictPriority: cfg.StrictPriority,
		// The interceptor waits for tasks; this is how long asynq waits besides.
		TaskCheckInterval: time.Microsecond,
		// The maintainer does this, and the interceptor answers asynq that there is nothing to do.
		DelayedTaskCheckInterval: time.Minute,
		JanitorInterval:          time.Minute,
		ShutdownTimeout:          cfg.ShutdownTimeout,
		RetryDelayFunc:           s.retryDelay,
		ErrorHandler:             asynq.ErrorHandlerFunc(s.handleError),
		Logger:                   asynqLogger{cfg.Logger.With("component", "asynq")},
		LogLevel:                 asynq.DebugLevel, // the slog handler decides
	})
	return s
}

// ID names the worker, as Task.Worker does: host:pid:random, for in containers hosts and pids are alike.
func (s *Server) ID() string { return s.id }

// Start begins to run tasks. It returns an error if the asynq of this program is not one that the worker knows, or if its
// server does not start.
func (s *Server) Start(ctx context.Context) error {
	if err := intercept.SelfTest(); err != nil {
		return err
	}
	if err := s.asynq.Start(asynq.HandlerFunc(s.process)); err != nil {
		return fmt.Errorf("start asynq's server: %w", err)
	}
	loopCtx, end := context.WithCancel(context.WithoutCancel(ctx))
	s.end = end
	for _, loop := range []func(context.Context){
		s.listen, s.keepAnnounced, s.keepCancellations, s.interceptor.KeepFresh, s.maintainer.run,
	} {
		s.loops.Go(func() { loop(loopCtx) })
	}
	return nil
}

const (
	// requeueWait is how long after ShutdownTimeout Redis may take to requeue what did not finish.
	requeueWait = 3 * time.Second
	// stopWait is how long after ShutdownTimeout Stop returns at the latest.
	stopWait = 4 * time.Second
)

// Stop takes no more tasks, waits up to ShutdownTimeout for the running ones, and requeues the rest at the heads of their
// queues, with no retry spent. If Redis does not answer it returns four seconds after ShutdownTimeout at the latest, and
// Drained is not closed yet: tasks that could not be requeued are recovered when their leases end. It may be called more
// than once; later calls return at once.
func (s *Server) Stop() {
	s.stop.Do(func() {
		if s.end == nil {
			close(s.drained)
			return // never started
		}
		s.interceptor.StopFetching()
		s.end()
		go func() {
			defer close(s.drained)
			s.drain()
		}()
		timer := time.NewTimer(s.cfg.ShutdownTimeout + stopWait)
		defer timer.Stop()
		select {
		case <-s.drained:
		case <-timer.C:
			s.cfg.Logger.Warn("stopped although redis does not answer; tasks that ran are recovered when their leases end")
		}
	})
}

// Drained is closed when all that the server ran has ended. Until then the connection must stay open: asynq panics when its
// subscription ends under it.
func (s *Server) Drained() <-chan struct{} { return s.drained }

// drain ends all that the server runs.
func (s *Server) drain() {
	var once sync.Once
	stopAcks := func() { once.Do(s.interceptor.StopAcks) }
	timer := time.AfterFunc(s.cfg.ShutdownTimeout+requeueWait, stopAcks)
	defer timer.Stop()
	s.asynq.Stop() // from here on asynq takes no task
	s.interceptor.RequeueFetched()
	s.asynq.Shutdown()
	stopAcks()
	s.loops.Wait()
	s.interceptor.Wait()
	s.clock.Close()
}

// process runs one attempt for asynq. What it returns decides only what asynq logs; how the attempt ended is in the
// attempt, and the interceptor writes that.
func (s *Server) process(ctx context.Context, t *asynq.Task) error {
	id, _ := asynq.GetTaskID(ctx)
	queue, _ := asynq.GetQueueName(ctx)
	a := s.interceptor.Attempt(wire.Ref{Queue: queue, ID: id})
	if a == nil {
		return fmt.Errorf("task %s was not fetched by this worker", id)
	}
	s.begin(a)
	runCtx, cancel := a.Context(ctx)
	defer cancel()
	reports := intercept.NewReporter(a, func(p task.Report) { s.storeProgress(ctx, a, p) })
	defer reports.Close()

	result, err := s.call(task.NewContext(runCtx, a.Info(), reports.Report), a)
	if err == nil {
		a.Succeed(result)
		return nil
	}
	s.fail(runCtx, a, t, err)
	return errors.New(wire.Storable(err.Error())) // asynq encodes a message with it
}

func (s *Server) begin(a *intercept.Attempt) {
	waited, known := a.Begin()
	s.cfg.Meter.Began(a.Message.Type, a.Queue)
	if known {
		s.cfg.Meter.Waited(a.Message.Type, a.Queue, waited)
	}
}

// call runs the handler and turns a panic into an error.
func (s *Server) call(ctx context.Context, a *intercept.Attempt) (result []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &task.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	// Without a handler the task is not taken. The payload is the handler's to change, and written again if it fails.
	result, err = s.cfg.Handlers[a.Message.Type].Run(ctx, bytes.Clone(a.Message.Payload))
	if most := s.cfg.MaxResultBytes; err == nil && most > 0 && len(result) > most {
		return nil, task.Permanent(fmt.Errorf("the result has %d bytes, and max_result_bytes allows %d", len(result), most))
	}
	return result, err
}

// storeProgress writes a report, unless the attempt is over or was fenced off. A report that gets lost is
// replaced by the next.
func (s *Server) storeProgress(ctx context.Context, a *intercept.Attempt, p task.Report) {
	err := script.Progress(ctx, s.rdb, a.Queue, a.ID, a.Number, p)
	if err != nil && ctx.Err() == nil {
		s.cfg.Logger.Debug("progress not stored", "task", a.ID, "error", err)
	}
}

// fail ends an attempt that has not ended otherwise.
func (s *Server) fail(ctx context.Context, a *intercept.Attempt, t *asynq.Task, err error) {
	if d, ok := task.SnoozeOf(err); ok && a.Snooze(d) {
		return
	}
	outcome, first := a.Fail(ctx, err, s.retryDelay(a.Message.Retried, err, t))
	if !first {
		return
	}
	if s.cfg.Failed != nil && outcome != task.Canceled {
		s.cfg.Failed(ctx, a.Info(), err)
	}
	attrs := []any{"task", a.ID, "type", a.Message.Type, "queue", a.Queue, "attempt", a.Number}
	if outcome == task.Canceled {
		s.cfg.Logger.Info("attempt canceled", attrs...)
		return
	}
	attrs = append(attrs, "outcome", outcome, "error", err)
	if p, ok := errors.AsType[*task.PanicError](err); ok {
		attrs = append(attrs, "stack", string(p.Stack))
	}
	s.cfg.Logger.Warn("attempt failed", attrs...)
}

// handleError is called by asynq for every attempt that failed. Those whose handler returned have ended already;
// the others ran out of time or were canceled, and their handlers may still run.
func (s *Server) handleError(ctx context.Context, t *asynq.Task, err error) {
	id, _ := asynq.GetTaskID(ctx)
	queue, _ := asynq.GetQueueName(ctx)
	if a := s.interceptor.Attempt(wire.Ref{Queue: queue, ID: id}); a != nil {
		s.fail(ctx, a, t, err)
	}
}

// retryDelay is what the error asks for, or the type's backoff.
func (s *Server) retryDelay(retried int, err error, t *asynq.Task) time.Duration {
	if d, ok := task.DelayOf(err); ok {
		return d
	}
	if h := s.cfg.Handlers[t.Type()]; h != nil {
		return h.Type.Backoff.Delay(retried)
	}
	return task.DefaultBackoff.Delay(retried)
}

// asynqLogger logs what asynq logs. asynq's information is about its loops.
type asynqLogger struct{ *slog.Logger }

func (l asynqLogger) Debug(args ...any) { l.Logger.Debug(fmt.Sprint(args...)) }
func (l asynqLogger) Info(args ...any)  { l.Logger.Debug(fmt.Sprint(args...)) }
func (l asynqLogger) Warn(args ...any)  { l.Logger.Debug(fmt.Sprint(args...)) }
func (l asynqLogger) Error(args ...any) { l.Logger.Error(fmt.Sprint(args...)) }
func (l asynqLogger) Fatal(args ...any) { l.Logger.Error(fmt.Sprint(args...)) }
