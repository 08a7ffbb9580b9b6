package startstop

import (
	"context"
	"errors"
	"sync"
)

// Service runs from Start to Stop. Both may be called in any order, more than once, and from several goroutines.
type Service interface {
	// Start returns when the service runs, or cannot. ctx bounds the start only: the service runs until Stop. A later call
	// returns what the first did, and after Stop ErrStopped.
	Start(ctx context.Context) error
	// Stop ends the service and waits until it has ended, or until ctx ends. It closes what making the service has opened, and
	// so is needed without Start, too.
	Stop(ctx context.Context)
}

// ErrStopped is returned by Start after Stop.
var ErrStopped = errors.New("it was stopped before it had started")

// New returns a Service of two functions, of which each is called once at most, and stop never before start has returned, even
// with an error. Either may be nil. start must return soon when its context ends.
func New(start func(ctx context.Context) error, stop func(ctx context.Context)) Service {
	return newOnce(start, stop)
}

// Closer returns a Service that only has to be closed. See Wait.
func Closer(closeIt func()) Service {
	return New(nil, func(ctx context.Context) { Wait(ctx, closeIt) })
}

// Background returns a Service that calls run in a goroutine. Stop ends the context of run.
func Background(run func(ctx context.Context)) Service {
	var running sync.WaitGroup
	end := func() {}
	return New(func(ctx context.Context) error {
		ctx, end = context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // Stop calls end
		running.Go(func() { run(ctx) })
		return nil
	}, func(ctx context.Context) {
		end()
		Wait(ctx, running.Wait)
	})
}

// Wait calls f, which takes no context, and returns when f has returned or ctx has ended. In the latter case f goes on by itself:
// a process that ends does not wait for it.
func Wait(ctx context.Context, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	await(ctx, done)
}

// await waits for done or for the end of ctx, and reports whether done is closed.
func await(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
	case <-ctx.Done():
	}
	return closed(done) // select picks either if both are
}

// once is a Service of two functions.
type once struct {
	start func(ctx context.Context) error
	stop  func(ctx context.Context)

	mu       sync.Mutex
	cancel   context.CancelFunc // ends the context of start; nil before Start
	err      error              // what start has returned, once started is closed
	started  chan struct{}
	stopping chan struct{}
	stopped  chan struct{}
}

func newOnce(start func(ctx context.Context) error, stop func(ctx context.Context)) *once {
	if start == nil {
		start = func(context.Context) error { return nil }
	}
	if stop == nil {
		stop = func(context.Context) {}
	}
	return &once{start: start, stop: stop, started: make(chan struct{}), stopping: make(chan struct{}), stopped: make(chan struct{})}
}

// Start implements Service.
func (o *once) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first, err := o.beginStart(cancel)
	if err != nil {
		return err
	}
	if first {
		defer close(o.started)
		o.err = o.start(ctx)
		return o.err
	}
	if !await(ctx, o.started) {
		return ctx.Err()
	}
	return o.err
}

func (o *once) beginStart(cancel context.CancelFunc) (first bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if closed(o.stopping) {
		return false, ErrStopped
	}
	if first = o.cancel == nil; first {
		o.cancel = cancel
	}
	return first, nil
}

// Stop implements Service.
func (o *once) Stop(ctx context.Context) {
	cancel, first := o.beginStop()
	if !first {
		await(ctx, o.stopped)
		return
	}
	defer close(o.stopped)
	if cancel != nil {
		cancel()
		if !await(ctx, o.started) {
			return
		}
	}
	o.stop(ctx)
}

func (o *once) beginStop() (cancel context.CancelFunc, first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if closed(o.stopping) {
		return nil, false
	}
	close(o.stopping)
	return o.cancel, true
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
