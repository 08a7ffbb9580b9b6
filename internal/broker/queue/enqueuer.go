package queue

import (
	"context"
	"errors"
	"strings"

	"github.com/backbeat-go/backbeat/internal/batch"
	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
	"github.com/redis/go-redis/v9"
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
	task    *task.Task
	message []byte
	// reserved is the token under which the id is reserved, "" for an id that needs none. If the reservation has ended, the
	// answer is errUnreserved.
	reserved string
	// once says that the task must not come again if one of that id, submitted in this way, has been in the queue before;
	// then the answer is errDoneBefore.
	once bool
	// awaited says that somebody waits for the end of the task. It is announced, however soon it comes.
	awaited bool
	done    chan error
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

// submit puts a task that has an id on its way.
func (e *enqueuer) submit(s *submission) *submission {
	s.message, s.done = wire.NewMessage(s.task).Encode(), make(chan error, 1)
	e.queues.Of(s.task.Queue).Add(s)
	return s
}

func (s *submission) weight() int { return len(s.message) }

// await waits for the answer. If ctx ends first, the task may come to be in its queue all the same.
func (s *submission) await(ctx context.Context) error {
	select {
	case err := <-s.done:
		return err
	case <-ctx.Done():
		return redisconn.Coded(ctx.Err())
	}
}

// write sends a batch, and tells each task of it how it went.
func (e *enqueuer) write(queue string, batch []*submission) {
	args := make([]any, 0, 10*len(batch))
	for _, s := range batch {
		if s.reserved != "" {
			args = append(args, "=", s.reserved)
		}
		args = s.appendArgs(args)
		if s.awaited {
			args = append(args, "!", s.task.ID)
		}
	}
	ctx, cancel := bounded(context.Background())
	defer cancel()
	answers, err := script.EnqueueScript.Run(ctx, e.rdb, queue, []string{wire.PendingKey(queue)}, args...).StringSlice()
	for i, s := range batch {
		if err != nil {
			s.done <- redisconn.Coded(err)
		} else {
			s.done <- refusal(answers[i])
		}
	}
}

func (s *submission) appendArgs(args []any) []any {
	t := s.task
	if !s.once && t.State == task.Pending && t.ExpiresAt.IsZero() && t.UniqueFor == 0 && t.Schedule == nil && t.Callback == nil {
		return append(args, "-", t.ID, s.message)
	}
	var runAt, expiresAt int64
	var schedule string
	if t.State == task.Scheduled {
		runAt = t.RunAt.UnixMilli()
	}
	if !t.ExpiresAt.IsZero() {
		expiresAt = t.ExpiresAt.UnixMilli()
	}
	if t.Schedule != nil {
		schedule = t.Schedule.ScheduleID
	}
	if s.once {
		args = append(args, "once", onceHolds.Milliseconds())
	} else {
		args = append(args, "+")
	}
	return append(args, t.ID, s.message, runAt, expiresAt, t.Retention.Milliseconds(), wire.UniqueKey(t), t.UniqueFor.Milliseconds(), schedule,
		wire.JoinEvents(t.Callback))
}

// refusal is the error that an answer of enqueue.lua means.
func refusal(answer string) error {
	if answer == "" {
		return nil
	}
	if answer == "id" {
		return errIDTaken
	}
	if answer == "before" {
		return errDoneBefore
	}
	if answer == "unreserved" {
		return errUnreserved
	}
	if holder, ok := strings.CutPrefix(answer, "unique:"); ok {
		return catalog.NotUnique(holder)
	}
	return task.Unavailable(redisError(strings.TrimPrefix(answer, "error:")))
}

// errIDTaken says that there is a task with the id. It may be the very one that was sent, and got there before.
var errIDTaken = errors.New("the id is taken")

// errUnreserved says that the task's id is not reserved any more, and that the task is not in its queue.
var errUnreserved = errors.New("the reservation of the id has ended")

// errDoneBefore says that the task of a request with an idempotency key has been enqueued before.
var errDoneBefore = errors.New("the task has been enqueued before")

// redisError is an error of Redis that a script caught.
type redisError string

func (e redisError) Error() string { return string(e) }
