package main

import (
	"context"
	"time"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/task"
)

// order is the payload of the tasks that are enqueued to see how fast that goes.
var order = []byte(`{"n":1}`)

// enqueue measures how many tasks 64 goroutines enqueue, each one at a time.
func enqueue(ctx context.Context, b *bench, s system) ([]float64, error) {
	n, start := b.scaled(50_000), time.Now()
	err := fill(ctx, s, n, order, false)
	return []float64{float64(n) / time.Since(start).Seconds()}, err
}

// enqueueBatches measures how many tasks one goroutine enqueues with a thousand in each call. Only ours can.
func enqueueBatches(ctx context.Context, b *bench, s system) ([]float64, error) {
	const batch = 1000
	calls, start := b.scaled(100), time.Now()
	for range calls {
		if err := s.(*ours).enqueueAll(ctx, batch, order); err != nil {
			return nil, err
		}
	}
	return []float64{float64(calls*batch) / time.Since(start).Seconds()}, nil
}

var typed = task.Define[typedIn, task.None]("bench", task.Retention(0))

type typedIn struct {
	N int `json:"n"`
}

// enqueueTyped measures how many tasks 64 goroutines enqueue with backbeat.Client, each one at a time: encoded, checked
// against their schema, and shown as the API shows them.
func enqueueTyped(ctx context.Context, b *bench, s system) ([]float64, error) {
	q := backbeat.NewClient(s.(*ours).rdb, backbeat.WithQueues(queueName))
	defer q.Close()
	n, start := b.scaled(50_000), time.Now()
	err := spread(n, func(i int) error {
		_, err := client.Enqueue(ctx, q, typed, typedIn{i})
		return err
	})
	return []float64{float64(n) / time.Since(start).Seconds()}, err
}

// enqueueTypedBatches measures the same with a thousand tasks in each call of one goroutine.
func enqueueTypedBatches(ctx context.Context, b *bench, s system) ([]float64, error) {
	q := backbeat.NewClient(s.(*ours).rdb, backbeat.WithQueues(queueName))
	defer q.Close()
	requests := make([]client.TaskRequest, 1000)
	for i := range requests {
		requests[i] = client.Request(typed, typedIn{i})
	}
	calls, start := b.scaled(100), time.Now()
	for range calls {
		if _, err := q.EnqueueBatch(ctx, requests); err != nil {
			return nil, err
		}
	}
	return []float64{float64(calls*len(requests)) / time.Since(start).Seconds()}, nil
}

// enqueueOne measures how long an enqueue takes while nobody else does the same.
func enqueueOne(ctx context.Context, b *bench, s system) ([]float64, error) {
	took := make([]time.Duration, b.scaled(10_000))
	for i := range took {
		start := time.Now()
		if err := s.enqueue(ctx, order, false, 0); err != nil {
			return nil, err
		}
		took[i] = time.Since(start)
	}
	return []float64{1000 * quantile(took, 0.50)}, nil
}
