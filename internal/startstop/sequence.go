package startstop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Sequence is services that start in order and stop in reverse. It is a Service itself.
type Sequence struct {
	*once
	timeout time.Duration
	logger  *slog.Logger
	ran     atomic.Bool
	failed  chan error

	mu    sync.Mutex
	parts []part
}

type part struct {
	name string
	Service
}

// NewSequence returns a Sequence without services. timeout bounds Stop: all of its waits together.
func NewSequence(timeout time.Duration, logger *slog.Logger) *Sequence {
	s := &Sequence{timeout: timeout, logger: logger, failed: make(chan error, 1)}
	s.once = newOnce(s.startAll, s.stopAll)
	return s
}

// Add adds a service behind the others. A service may add others while it starts. Those are started after it.
func (s *Sequence) Add(name string, service Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = append(s.parts, part{name, service})
}

// Fail ends Run with an error, because a service cannot go on.
func (s *Sequence) Fail(err error) {
	select {
	case s.failed <- err:
	default: // it ends already
	}
}

// Run starts the services, calls ready, and stops the services when ctx ends, or on Stop or Fail. It returns nil unless a service
// does not start or Fail was called. It works once; a later call returns an error.
func (s *Sequence) Run(ctx context.Context, ready func()) error {
	if s.ran.Swap(true) {
		return errors.New("Run was called before, and works only once")
	}
	defer s.Stop(context.WithoutCancel(ctx))
	if err := s.Start(ctx); err != nil {
		if ctx.Err() != nil || closed(s.stopping) {
			return nil // it was stopped before it had started
		}
		return err
	}
	ready()
	select {
	case <-ctx.Done():
	case <-s.stopping:
	case err := <-s.failed:
		return err
	}
	s.logger.Info("stopping")
	return nil
}

func (s *Sequence) startAll(ctx context.Context) error {
	for i := 0; ; i++ {
		p, ok := s.part(i)
		if !ok {
			return nil
		}
		s.logger.Debug("starting", "part", p.name)
		err := ctx.Err()
		if err == nil {
			err = p.Start(ctx)
		}
		if err != nil {
			s.stopAll(context.WithoutCancel(ctx))
			return fmt.Errorf("start %s: %w", p.name, err)
		}
	}
}

func (s *Sequence) part(i int) (part, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= len(s.parts) {
		return part{}, false
	}
	return s.parts[i], true
}

func (s *Sequence) stopAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	s.mu.Lock()
	parts := slices.Clone(s.parts)
	s.mu.Unlock()
	for _, p := range slices.Backward(parts) {
		s.logger.Debug("stopping", "part", p.name)
		p.Stop(ctx)
	}
	if ctx.Err() != nil {
		s.logger.Warn("stopped although not everything has ended in time")
	}
}
