package broker_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// A worker that is told to stop does so whatever Redis does.
func TestStopWhileRedisHangs(t *testing.T) {
	f := newFleet(t)
	rdb := redis.NewClient(&redis.Options{Addr: f.redis.Addr(), MaxRetries: -1})
	s := f.startOn(rdb)
	f.enqueue(task.Request{Type: "block"})
	f.started()
	f.redis.Freeze()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.Stop()
	}()
	defer func() {
		f.redis.Thaw()
		<-s.Drained()
		rdb.Close()
	}()
	select {
	case <-stopped:
	case <-time.After(15 * time.Second): // it took up to half a minute, and some calls wait for Redis for good
		t.Error("the worker waits for Redis")
	}
}

// Whoever empties Redis, or deletes a queue, takes it from asynq's tools for a moment only.
func TestQueuesAreAnnouncedAgain(t *testing.T) {
	f := newFleet(t)
	f.worker()
	f.must(f.rdb.FlushAll(t.Context()).Err())
	for deadline := time.Now().Add(patience); f.rdb.SCard(t.Context(), "asynq:queues").Val() < int64(len(queues)); f.yield() {
		if time.Now().After(deadline) {
			t.Fatal("the queues are not announced again")
		}
	}
}

// A worker serves the queues that it reaches, from fetch to end, while the master of another one is away.
func TestWorkerServesTheQueuesThatItReaches(t *testing.T) {
	c := redistest.StartCluster(t)
	f := newFleetOn(t, redistest.Start(t))
	f.rdb = nil
	names := []string{"critical", "default", "low"}
	gone := c.Master("asynq:{" + names[0] + "}:pending")
	var healthy []string
	for _, name := range names {
		if c.Master("asynq:{"+name+"}:pending") != gone {
			healthy = append(healthy, name)
		}
	}
	if len(healthy) == 0 {
		t.Fatal("one master has all queues")
	}
	client := queue.NewClient(c.Client(t), queues)
	t.Cleanup(client.Close)
	s := worker.New(c.Client(t, func(o *redis.UniversalOptions) { o.MaxRetries = -1 }), f.config())
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	gone.Kill()
	defer gone.Restart()
	var ids []string
	for i := range 60 {
		made := f.prepare(task.Request{Type: "echo", Queue: healthy[i%len(healthy)], MaxRetries: ptr(0)})
		f.must(client.Enqueue(t.Context(), made))
		ids = append(ids, made.ID)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, id := range ids {
		if got, err := client.Wait(ctx, id); err != nil || got.State != task.Succeeded {
			t.Fatalf("%+v, %v", got, err)
		}
	}
}
