package main

import (
	"context"
	"time"
)

// idle measures what a worker costs that has nothing to do.
func idle(ctx context.Context, b *bench, s system) ([]float64, error) {
	stop, err := s.work(b.redis.addr, 64, func([]byte) []byte { return nil })
	if err != nil {
		return nil, err
	}
	defer stop()
	time.Sleep(2 * time.Second) // until it has settled
	before, start := b.redis.usage(ctx), time.Now()
	time.Sleep(10 * time.Second)
	after, seconds := b.redis.usage(ctx), time.Since(start).Seconds()
	return []float64{
		(after.commands - before.commands) / seconds,
		(after.ownCPU - before.ownCPU) / seconds * 100,
	}, ctx.Err()
}
