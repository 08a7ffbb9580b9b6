package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"
)

// stamp is a payload that tells a time.
func stamp(at time.Time) []byte {
	return strconv.AppendInt(nil, at.UnixNano(), 10)
}

// sinceStamp returns how long ago the time is that a payload tells.
func sinceStamp(payload []byte) time.Duration {
	ns, err := strconv.ParseInt(string(payload), 10, 64)
	if err != nil {
		panic(err) // stamp wrote it
	}
	return time.Since(time.Unix(0, ns))
}

// quantile returns the value, in ms, that the given part of all are under. It sorts them.
func quantile(took []time.Duration, part float64) float64 {
	slices.Sort(took)
	return took[min(len(took)-1, int(float64(len(took))*part))].Seconds() * 1000
}

// samples gathers times until it has as many as it wants.
type samples struct {
	mu   sync.Mutex
	took []time.Duration
	want int
	full chan struct{}
}

func newSamples(want int) *samples { return &samples{want: want, full: make(chan struct{})} }

func (s *samples) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = append(s.took, d)
	if len(s.took) == s.want {
		close(s.full)
	}
}

func (s *samples) await(ctx context.Context) ([]time.Duration, error) {
	select {
	case <-s.full:
		return s.took, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// idleLatency measures how long a task takes to start when the worker has nothing to do.
func idleLatency(n int) measurement {
	return func(ctx context.Context, b *bench, s system) ([]float64, error) {
		started := make(chan time.Duration)
		stop, err := s.work(b.redis.addr, 16, func(payload []byte) []byte {
			started <- sinceStamp(payload)
			return nil
		})
		if err != nil {
			return nil, err
		}
		defer stop()
		took := make([]time.Duration, b.scaled(n))
		for i := range took {
			// Until it is idle again, and not in step with anything.
			time.Sleep(2*time.Millisecond + rand.N(2*time.Millisecond))
			if err := s.enqueue(ctx, stamp(time.Now()), false, 0); err != nil {
				return nil, err
			}
			took[i] = <-started
		}
		return []float64{quantile(took, 0.50), quantile(took, 0.99)}, nil
	}
}

// loadedLatency measures how long a task takes to start while 5000 a second come, of 1 ms each: that is half of what stock
// asynq can do with tasks that take no time, and 5 of the 64 slots.
func loadedLatency(ctx context.Context, b *bench, s system) ([]float64, error) {
	const perMilli = 5
	n := b.scaled(20_000)
	all := newSamples(n)
	stop, err := s.work(b.redis.addr, 64, func(payload []byte) []byte {
		all.add(sinceStamp(payload))
		time.Sleep(time.Millisecond) // it is what the task does
		return nil
	})
	if err != nil {
		return nil, err
	}
	defer stop()
	if err := stream(ctx, s, n, perMilli); err != nil {
		return nil, err
	}
	took, err := all.await(ctx)
	if err != nil {
		return nil, err
	}
	return []float64{quantile(took, 0.50), quantile(took, 0.99)}, nil
}

// stream enqueues n stamped tasks at a steady rate. One that takes its time does not hold up those after it.
func stream(ctx context.Context, s system, n, perMilli int) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var wg sync.WaitGroup
	errs := make(chan error, n)
	start := time.Now()
	for sent := 0; sent < n && ctx.Err() == nil; {
		<-tick.C
		due := min(n, perMilli*int(time.Since(start)/time.Millisecond))
		for ; sent < due; sent++ {
			wg.Go(func() { errs <- s.enqueue(ctx, stamp(time.Now()), false, 0) })
		}
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// lateness measures how far from its time a delayed task starts. To be early counts as being late.
func lateness(ctx context.Context, b *bench, s system) ([]float64, error) {
	n := b.scaled(500)
	all := newSamples(n)
	stop, err := s.work(b.redis.addr, 64, func(payload []byte) []byte {
		all.add(sinceStamp(payload).Abs())
		return nil
	})
	if err != nil {
		return nil, err
	}
	defer stop()
	for i := range n {
		delay := time.Second + time.Duration(i)*4*time.Millisecond
		if err := s.enqueue(ctx, stamp(time.Now().Add(delay)), false, delay); err != nil {
			return nil, err
		}
	}
	off, err := all.await(ctx)
	if err != nil {
		return nil, err
	}
	return []float64{quantile(off, 0.99)}, nil
}
