package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// scenario measures one thing with one system. Where less is better, it says so.
type scenario struct {
	name string
	unit string
	less bool
	run  func(ctx context.Context, b *bench, s system, stock bool) (float64, error)
}

// bench is what scenarios share.
type bench struct {
	redis *server
	slow  string // the address of the same Redis, a millisecond away
	scale float64
	// last holds by-products of the newest drain of each system, by name: asynq first.
	last [2]map[string]float64
}

func measure(ctx context.Context, redis *server, o options) ([]figure, error) {
	slow, closeSlow, err := slowLink(redis.addr)
	if err != nil {
		return nil, err
	}
	defer closeSlow()
	b := &bench{redis: redis, slow: slow, scale: o.scale}
	var figures []figure
	for _, sc := range scenarios {
		if !strings.Contains(sc.name, o.only) {
			continue
		}
		f := figure{Name: sc.name, Unit: sc.unit}
		for i, make := range []func(string) system{newStock, newOurs} {
			if i == 0 && o.skipAsynq {
				continue
			}
			if err := redis.rdb.FlushAll(ctx).Err(); err != nil {
				return nil, err
			}
			s := make(redis.addr)
			v, err := sc.run(ctx, b, s, i == 0)
			s.close()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sc.name, err)
			}
			if i == 0 {
				f.Stock = v
			} else {
				f.Ours = v
			}
		}
		f.Ratio = f.Ours / f.Stock
		if sc.less {
			f.Ratio = f.Stock / f.Ours
		}
		figures = append(figures, f)
	}
	return figures, nil
}

var scenarios = []scenario{
	{"no-op drain, concurrency 16", "tasks/s", false, drain(16, nil, false, false)},
	{"no-op drain, concurrency 64", "tasks/s", false, drain(64, nil, false, false)},
	{"no-op drain, concurrency 256", "tasks/s", false, drain(256, nil, false, false)},
	{"no-op drain: CPU of the worker a task", "µs", true, byProduct("worker")},
	{"no-op drain: CPU of Redis a task", "µs", true, byProduct("redis")},
	{"no-op drain: Redis commands a task", "", true, byProduct("commands")},
	{"drain with results kept, concurrency 64", "tasks/s", false, drain(64, []byte(`{"n":1}`), true, false)},
	{"drain of 10 KiB payloads, concurrency 64", "tasks/s", false, drain(64, large(10<<10), false, false)},
	{"no-op drain at 1 ms round trip, concurrency 256", "tasks/s", false, drain(256, nil, false, true)},
	{"enqueue, 64 at once", "tasks/s", false, enqueue},
	{"enqueue to start, idle, p50", "ms", true, latency(0.50)},
	{"enqueue to start, idle, p99", "ms", true, latency(0.99)},
	{"delayed tasks late, p99", "ms", true, lateness},
	{"idle worker, Redis commands", "/s", true, idle("commands")},
	{"idle worker, CPU", "% of a core", true, idle("cpu")},
}

func large(n int) []byte { return []byte(`"` + strings.Repeat("x", n-2) + `"`) }

// drain measures how fast a full queue is emptied.
func drain(concurrency int, payload []byte, keep, slow bool) func(context.Context, *bench, system, bool) (float64, error) {
	return func(ctx context.Context, b *bench, s system, isStock bool) (float64, error) {
		n, addr := 100_000, b.redis.addr
		if isStock {
			n = 20_000
		}
		if slow {
			n, addr = n/4, b.slow
			if isStock {
				n = 1500
			}
		}
		n = int(float64(n) * b.scale)
		if err := fill(ctx, s, n, payload, keep); err != nil {
			return 0, err
		}
		before := b.redis.usage(ctx)
		start := time.Now()
		stop, err := s.work(addr, concurrency, func(payload []byte) []byte {
			if keep {
				return payload
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		defer stop()
		for b.redis.rdb.Get(ctx, "asynq:{"+queueName+"}:processed").Val() != fmt.Sprint(n) {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			time.Sleep(5 * time.Millisecond)
		}
		took := time.Since(start)
		after := b.redis.usage(ctx)
		b.last[index(isStock)] = map[string]float64{
			"worker":   (after.ownCPU - before.ownCPU) / float64(n) * 1e6,
			"redis":    (after.redisCPU - before.redisCPU) / float64(n) * 1e6,
			"commands": (after.commands - before.commands) / float64(n),
		}
		return float64(n) / took.Seconds(), nil
	}
}

func index(isStock bool) int {
	if isStock {
		return 0
	}
	return 1
}

func byProduct(name string) func(context.Context, *bench, system, bool) (float64, error) {
	return func(_ context.Context, b *bench, _ system, isStock bool) (float64, error) {
		return b.last[index(isStock)][name], nil
	}
}

func enqueue(ctx context.Context, b *bench, s system, _ bool) (float64, error) {
	n := int(50_000 * b.scale)
	start := time.Now()
	err := fill(ctx, s, n, []byte(`{"n":1}`), false)
	return float64(n) / time.Since(start).Seconds(), err
}

// stamp is a payload that tells when it was made.
func stamp(at time.Time) []byte {
	return strconv.AppendInt(nil, at.UnixNano(), 10)
}

func stampOf(payload []byte) time.Time {
	ns, err := strconv.ParseInt(string(payload), 10, 64)
	if err != nil {
		panic(err) // stamp wrote it
	}
	return time.Unix(0, ns)
}

// latency measures how long a task takes to start when the worker has nothing to do.
func latency(quantile float64) func(context.Context, *bench, system, bool) (float64, error) {
	return func(ctx context.Context, b *bench, s system, isStock bool) (float64, error) {
		n := int(1000 * b.scale)
		if isStock {
			n = 12 // each takes a second
		}
		started := make(chan time.Duration)
		stop, err := s.work(b.redis.addr, 16, func(payload []byte) []byte {
			started <- time.Since(stampOf(payload))
			return nil
		})
		if err != nil {
			return 0, err
		}
		defer stop()
		var took []time.Duration
		for range n {
			time.Sleep(3 * time.Millisecond) // until it is idle again
			if err := s.enqueue(ctx, stamp(time.Now()), false, 0); err != nil {
				return 0, err
			}
			took = append(took, <-started)
		}
		return millis(took, quantile), nil
	}
}

func millis(took []time.Duration, quantile float64) float64 {
	slices.Sort(took)
	return float64(took[min(len(took)-1, int(float64(len(took))*quantile))].Microseconds()) / 1000
}

// lateness measures how long after its time a delayed task starts. To be early counts as being late.
func lateness(ctx context.Context, b *bench, s system, _ bool) (float64, error) {
	n := int(500 * b.scale)
	var mu sync.Mutex
	var late []time.Duration
	var done atomic.Int64
	stop, err := s.work(b.redis.addr, 64, func(payload []byte) []byte {
		off := time.Since(stampOf(payload)).Abs()
		mu.Lock()
		late = append(late, off)
		mu.Unlock()
		done.Add(1)
		return nil
	})
	if err != nil {
		return 0, err
	}
	defer stop()
	for i := range n {
		delay := time.Second + time.Duration(i)*4*time.Millisecond
		if err := s.enqueue(ctx, stamp(time.Now().Add(delay)), false, delay); err != nil {
			return 0, err
		}
	}
	for done.Load() < int64(n) && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	return millis(late, 0.99), ctx.Err()
}

// idle measures what a worker costs that has nothing to do.
func idle(what string) func(context.Context, *bench, system, bool) (float64, error) {
	return func(ctx context.Context, b *bench, s system, _ bool) (float64, error) {
		stop, err := s.work(b.redis.addr, 64, func([]byte) []byte { return nil })
		if err != nil {
			return 0, err
		}
		defer stop()
		time.Sleep(2 * time.Second) // until it has settled
		const seconds = 10
		before := b.redis.usage(ctx)
		time.Sleep(seconds * time.Second)
		after := b.redis.usage(ctx)
		if what == "cpu" {
			return (after.ownCPU - before.ownCPU) / seconds * 100, nil
		}
		return (after.commands - before.commands) / seconds, nil
	}
}
