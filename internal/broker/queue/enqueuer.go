package queue

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/batch"
	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// enqueueBatch is how many tasks of a queue go to Redis at once, so that it is not held up for long.
	enqueueBatch = 256
	// enqueueBytes bounds their messages, after which no more are taken.
	enqueueBytes = 4 << 20
)

// enqueuer puts tasks into queues. Those that come together for a queue go in one script.
type enqueuer struct {
	rdb    redis.UniversalClient
	queues *batch.ByQueue[*submission]
}

// submission is a task that is to be enqueued.
type submission struct {
	script.NewTask
	task *task.Task
	done chan error
}

func newEnqueuer(rdb redis.UniversalClient) *enqueuer {
	e := &enqueuer{rdb: rdb}
	e.queues = batch.NewByQueue(func(queue string) *batch.Batcher[*submission] {
		return &batch.Batcher[*submission]{
			MaxItems: enqueueBatch, MaxBytes: enqueueBytes, Weigh: (*submission).weight,
			Write: func(batch []*submission) { e.write(queue, batch) },
		}
	})
	return e
}

func (e *enqueuer) close() { e.queues.Close() }

// submit sends a task that has an id. What s.NewTask says beyond the task itself is the caller's to set.
func (e *enqueuer) submit(s *submission) *submission {
	t := s.task
	s.ID, s.Message, s.done = t.ID, wire.NewMessage(t).Encode(), make(chan error, 1)
	if t.State == task.Scheduled {
		s.RunAt = t.RunAt
	}
	s.ExpiresAt, s.Retention = t.ExpiresAt, t.Retention
	s.UniqueKey, s.UniqueFor = wire.UniqueKey(t), t.UniqueFor
	if t.Schedule != nil {
		s.Schedule = t.Schedule.ScheduleID
	}
	s.Events = wire.JoinEvents(t.Callback)
	e.queues.Of(t.Queue).Add(s)
	return s
}

func (s *submission) weight() int { return len(s.Message) }

// await waits for the answer. If ctx ends first, the task may come to be in its queue all the same.
func (s *submission) await(ctx context.Context) error {
	select {
	case err := <-s.done:
		return err
	case <-ctx.Done():
		return redisconn.Coded(ctx.Err())
	}
}

// write sends a batch, and reports to each task of it how it went.
func (e *enqueuer) write(queue string, batch []*submission) {
	tasks := make([]script.NewTask, len(batch))
	for i, s := range batch {
		tasks[i] = s.NewTask
	}
	ctx, cancel := bounded(context.Background())
	defer cancel()
	errs, err := script.Enqueue(ctx, e.rdb, queue, tasks)
	for i, s := range batch {
		if err != nil {
			s.done <- redisconn.Coded(err)
		} else {
			s.done <- errs[i]
		}
	}
}
