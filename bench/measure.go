package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// scenario is one piece of work for both systems, and the lines that it gives.
type scenario struct {
	name  string
	stock measurement // nil: asynq has nothing of the kind
	ours  measurement
	lines []line
}

// measurement lets a system do the work, and returns a value for each line.
type measurement func(ctx context.Context, b *bench, s system) ([]float64, error)

// line is something that a scenario tells. Where less is better, it says so.
type line struct {
	name string // after that of the scenario; may be empty
	unit string
	less bool
	goal goal
}

// bench is what scenarios share.
type bench struct {
	redis *server
	slow  string // the address of the same Redis, a millisecond away
	scale float64
}

// scaled returns how many of n to do. Too few would tell nothing.
func (b *bench) scaled(n int) int { return max(int(float64(n)*b.scale), min(n, 10)) }

// scenarios is the table of all that is measured.
func scenarios() []scenario {
	return slices.Concat(drains(), []scenario{
		{
			"no-op drain, concurrency 256; asynq's own scripts, pipelined", replay, drain(noop, 256, false, noop.ours),
			[]line{{unit: perSecond, goal: goal{times: 1.3}}},
		},
		{"enqueue, 64 at once", enqueue, enqueue, []line{{unit: perSecond}}},
		{"enqueue, 1000 a call (asynq has none)", nil, enqueueBatches, []line{{unit: perSecond}}},
		{"enqueue with backbeat.Client, 64 at once", nil, enqueueTyped, []line{{unit: perSecond}}},
		{"enqueue with backbeat.Client, 1000 a call", nil, enqueueTypedBatches, []line{{unit: perSecond}}},
		{"enqueue, one after the other", enqueueOne, enqueueOne, []line{{name: "p50", unit: "µs", less: true}}},
		{
			"enqueue to start, idle", idleLatency(12), idleLatency(1000),
			[]line{{"p50", "ms", true, goal{most: 1}}, {"p99", "ms", true, goal{most: 5}}},
		},
		{
			"enqueue to start, 5000/s of 1 ms", loadedLatency, loadedLatency,
			[]line{{name: "p50", unit: "ms", less: true}, {name: "p99", unit: "ms", less: true}},
		},
		{
			"POST to the answer of GET ?wait, over HTTP", nil, requestLatency,
			[]line{{"p50", "ms", true, goal{most: 4}}, {name: "p99", unit: "ms", less: true}},
		},
		{"delayed tasks off their time", lateness, lateness, []line{{"p99", "ms", true, goal{most: 50}}}},
		{
			"idle worker", idle, idle,
			[]line{{"Redis commands", "/s", true, goal{most: 40}}, {"CPU", "% of a core", true, goal{most: 3}}},
		},
		{
			"idle worker, default queues", nil, idleOn(0),
			[]line{{"Redis commands", "/s", true, goal{most: 15}}},
		},
		{
			"idle worker, 100 queues", nil, idleOn(100),
			[]line{{"Redis commands", "/s", true, goal{most: 100}}},
		},
		{
			"idle worker, 1,000 queues", nil, idleOn(1000),
			[]line{{"Redis commands", "/s", true, goal{most: 500}}},
		},
		{
			"memory of a worker", memory, memory,
			[]line{
				{name: "idle", unit: "MiB", less: true},
				{name: "peak at 10 KiB payloads, concurrency 64", unit: "MiB", less: true},
			},
		},
	}, larges(), apis(), beats())
}

func measure(ctx context.Context, redis *server, o options) ([]figure, error) {
	slow, err := slowLink(redis.addr)
	if err != nil {
		return nil, err
	}
	defer slow.Close()
	b := &bench{redis: redis, slow: slow.Addr(), scale: o.scale}
	var figures []figure
	for _, sc := range scenarios() {
		if o.skipAsynq {
			sc.stock = nil
		}
		names := sc.lineNames()
		wanted := func(name string) bool { return strings.Contains(name, o.only) }
		if !slices.ContainsFunc(names, wanted) {
			continue
		}
		stock, ours, err := b.compare(ctx, sc)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", sc.name, err)
		}
		for i, l := range sc.lines {
			if wanted(names[i]) {
				figures = append(figures, newFigure(names[i], l, at(stock, i), at(ours, i)))
			}
		}
	}
	return figures, nil
}

func (sc scenario) lineNames() []string {
	names := make([]string, len(sc.lines))
	for i, l := range sc.lines {
		names[i] = sc.name
		if l.name != "" {
			names[i] += ": " + l.name
		}
	}
	return names
}

func (b *bench) compare(ctx context.Context, sc scenario) (stock, ours []float64, err error) {
	if stock, err = b.measureOne(ctx, newStock, sc.stock); err != nil {
		return nil, nil, fmt.Errorf("asynq: %w", err)
	}
	if ours, err = b.measureOne(ctx, newOurs, sc.ours); err != nil {
		return nil, nil, fmt.Errorf("backbeat: %w", err)
	}
	return stock, ours, nil
}

func (b *bench) measureOne(ctx context.Context, open func(addr string) system, m measurement) ([]float64, error) {
	if m == nil {
		return nil, nil
	}
	if err := b.redis.rdb.FlushAll(ctx).Err(); err != nil {
		return nil, err
	}
	s := open(b.redis.addr)
	defer s.close()
	return m(ctx, b, s)
}

func at(values []float64, i int) *float64 {
	if i >= len(values) {
		return nil
	}
	return &values[i]
}

// awaitProcessed waits until n tasks are done.
func (b *bench) awaitProcessed(ctx context.Context, n int) error {
	want := fmt.Sprint(n)
	for b.redis.rdb.Get(ctx, "asynq:{"+queueName+"}:processed").Val() != want {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}
