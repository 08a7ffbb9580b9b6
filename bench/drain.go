package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const perSecond = "tasks/s"

// work is a kind of task that a full queue of is drained.
type work struct {
	name    string
	payload []byte
	keep    bool // the result, which is the payload
	// How many tasks each system is given, for some seconds of work.
	stock, ours int
	goal        float64 // how many times better ours is to be, at concurrency 256
	slowGoal    float64 // and at 1 ms round trip
}

var (
	noop    = work{"no-op drain", nil, false, 20_000, 100_000, 7, 30}
	results = work{"drain with results kept", []byte(`{"n":1}`), true, 20_000, 60_000, 4, 0}
	large   = work{"drain of 10 KiB payloads", []byte(`"` + strings.Repeat("x", 10<<10-2) + `"`), false, 15_000, 40_000, 0, 0}
)

// drains are the scenarios of full queues: each kind of task at each concurrency, near to Redis and far from it.
func drains() []scenario {
	var list []scenario
	for _, slow := range []bool{false, true} {
		for _, w := range []work{noop, results, large} {
			for _, concurrency := range []int{16, 64, 256} {
				list = append(list, drainScenario(w, concurrency, slow))
			}
		}
	}
	return list
}

func drainScenario(w work, concurrency int, slow bool) scenario {
	sc := scenario{
		name:  fmt.Sprintf("%s, concurrency %d", w.name, concurrency),
		stock: drain(w, concurrency, slow, w.stock),
		ours:  drain(w, concurrency, slow, w.ours),
		lines: []line{{unit: perSecond}},
	}
	times := w.goal
	if slow {
		sc.name += ", 1 ms round trip"
		sc.stock = drain(w, concurrency, slow, 1000)
		sc.ours = drain(w, concurrency, slow, w.ours/4)
		times = w.slowGoal
	} else if concurrency >= 64 {
		// Far from Redis, the CPU of this process would be that of the slow link as well.
		sc.lines = append(sc.lines,
			line{name: "CPU of the worker", unit: "µs a task", less: true},
			line{name: "CPU of Redis", unit: "µs a task", less: true},
			line{name: "Redis commands", unit: "a task", less: true})
	}
	if concurrency == 256 {
		sc.lines[0].goal.times = times
	}
	return sc
}

// drain measures how fast a full queue is emptied, and what a task costs.
func drain(w work, concurrency int, slow bool, n int) measurement {
	return func(ctx context.Context, b *bench, s system) ([]float64, error) {
		n := b.scaled(n)
		if err := fill(ctx, s, n, w.payload, w.keep); err != nil {
			return nil, err
		}
		addr := b.redis.addr
		if slow {
			addr = b.slow
		}
		handle := func([]byte) []byte { return nil }
		if w.keep {
			handle = func(payload []byte) []byte { return payload }
		}
		before, start := b.redis.usage(ctx), time.Now()
		stop, err := s.work(addr, concurrency, handle)
		if err != nil {
			return nil, err
		}
		defer stop()
		if err := b.awaitProcessed(ctx, n); err != nil {
			return nil, err
		}
		took, after := time.Since(start), b.redis.usage(ctx)
		return []float64{
			float64(n) / took.Seconds(),
			(after.ownCPU - before.ownCPU) / float64(n) * 1e6,
			(after.redisCPU - before.redisCPU) / float64(n) * 1e6,
			(after.commands - before.commands) / float64(n),
		}, nil
	}
}
