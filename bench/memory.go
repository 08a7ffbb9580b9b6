package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// memory measures how much of it a worker has that has nothing to do, and one that drains large payloads. Each is a
// process of its own, so that nothing else is counted.
func memory(ctx context.Context, b *bench, s system) ([]float64, error) {
	idle, err := b.withWorker(ctx, s, "VmRSS", func() error {
		time.Sleep(2 * time.Second) // until it has settled
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	n := b.scaled(20_000)
	if err := fill(ctx, s, n, large.payload, false); err != nil {
		return nil, err
	}
	peak, err := b.withWorker(ctx, s, "VmHWM", func() error { return b.awaitProcessed(ctx, n) })
	return []float64{idle, peak}, err
}

// withWorker starts a worker, and returns what /proc says of its memory after it has done something, in MiB.
func (b *bench) withWorker(ctx context.Context, s system, field string, do func() error) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	worker, err := startProgram(ctx, os.Environ(), self, "-worker", s.name(), "-redis", b.redis.addr)
	if err != nil {
		return 0, err
	}
	defer worker.stop()
	if err := do(); err != nil {
		return 0, err
	}
	kib, err := worker.memory(field)
	return kib / 1024, err
}

// beWorker is what the benchmark does when it was started as a worker.
func beWorker(ctx context.Context, name, redisAddr string) error {
	open, ok := systems[name]
	if !ok {
		return fmt.Errorf("-worker %q: must be stock or ours", name)
	}
	s := open(redisAddr)
	defer s.close()
	stop, err := s.work(redisAddr, 64, func([]byte) []byte { return nil })
	if err != nil {
		return err
	}
	defer stop()
	fmt.Fprintln(os.Stderr, `{"msg":"ready"}`) // as the programs do
	<-ctx.Done()
	return nil
}
