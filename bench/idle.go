package main

import (
	"context"
	"fmt"
	"strings"
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

// idleOn measures what the worker program asks of Redis while all its queues are empty; of n queues, or, if n is 0, of the
// default ones.
func idleOn(n int) measurement {
	return func(ctx context.Context, b *bench, _ system) ([]float64, error) {
		var settings []string
		if n > 0 {
			names := make([]string, n)
			for i := range names {
				names[i] = fmt.Sprintf("q%d=1", i)
			}
			settings = []string{"BACKBEAT_QUEUES=" + strings.Join(names, ",")}
		}
		worker, err := b.startOwn(ctx, "worker", settings...)
		if err != nil {
			return nil, err
		}
		defer worker.stop()
		time.Sleep(10 * time.Second) // until it has settled
		before, start := b.redis.usage(ctx), time.Now()
		time.Sleep(20 * time.Second) // longer than the periods of most of what it does
		after, seconds := b.redis.usage(ctx), time.Since(start).Seconds()
		return []float64{(after.commands - before.commands) / seconds}, ctx.Err()
	}
}
