package script

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

var enqueueScript = named("enqueue")

// NewTask is a task to enqueue.
type NewTask struct {
	ID      string
	Message []byte
	RunAt   time.Time // zero: now
	// Reserved is the token under which the id is reserved, "" for an id that needs none. The reservation ends.
	Reserved string
	// OnceFor is for how long the queue remembers the task: it is not enqueued again meanwhile. 0: it is not remembered.
	OnceFor time.Duration
	// Awaited says that somebody waits for the end of the task: it is announced, however soon it comes.
	Awaited   bool
	ExpiresAt time.Time     // zero: never
	Retention time.Duration // of a task that expires
	UniqueKey string        // the lock of a unique task, "" for none
	UniqueFor time.Duration // how long it holds
	Schedule  string        // the schedule that made the task, "" for none
	Events    string        // the states that its callback is for, with commas between them, "" for none
}

var (
	// ErrIDTaken says that a task with the id exists. It may be the very one that was sent, and got there before.
	ErrIDTaken = errors.New("the id is taken")
	// ErrUnreserved says that the task's id is not reserved any more, and that the task is not in its queue.
	ErrUnreserved = errors.New("the reservation of the id has ended")
	// ErrDoneBefore says that a task with OnceFor has been enqueued before.
	ErrDoneBefore = errors.New("the task has been enqueued before")
)

// Enqueue puts tasks into a queue, and returns how each of them went: nil, ErrIDTaken, ErrUnreserved, ErrDoneBefore,
// catalog.NotUnique, or an error with CodeUnavailable if Redis refused it.
func Enqueue(ctx context.Context, rdb redis.Scripter, queue string, tasks []NewTask) ([]error, error) {
	args := make([]any, 0, 10*len(tasks))
	for i := range tasks {
		args = tasks[i].appendArgs(args)
	}
	answers, err := enqueueScript.run(ctx, rdb, queue, []string{wire.PendingKey(queue)}, args...).StringSlice()
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(answers))
	for i, answer := range answers {
		errs[i] = refusal(answer)
	}
	return errs, nil
}

func (t *NewTask) appendArgs(args []any) []any {
	if t.Reserved != "" {
		args = append(args, "=", t.Reserved)
	}
	switch {
	case t.OnceFor > 0:
		args = t.appendAll(append(args, "once", t.OnceFor.Milliseconds()))
	case t.RunAt.IsZero() && t.ExpiresAt.IsZero() && t.UniqueKey == "" && t.Schedule == "" && t.Events == "":
		args = append(args, "-", t.ID, t.Message)
	default:
		args = t.appendAll(append(args, "+"))
	}
	if t.Awaited {
		args = append(args, "!", t.ID)
	}
	return args
}

func (t *NewTask) appendAll(args []any) []any {
	return append(args, t.ID, t.Message, unixMilli(t.RunAt), unixMilli(t.ExpiresAt), t.Retention.Milliseconds(),
		t.UniqueKey, t.UniqueFor.Milliseconds(), t.Schedule, t.Events)
}

// refusal is the error that an answer of enqueue.lua means.
func refusal(answer string) error {
	switch answer {
	case "":
		return nil
	case "id":
		return ErrIDTaken
	case "before":
		return ErrDoneBefore
	case "unreserved":
		return ErrUnreserved
	}
	if holder, ok := strings.CutPrefix(answer, "unique:"); ok {
		return catalog.NotUnique(holder)
	}
	return task.Unavailable(redisError(strings.TrimPrefix(answer, "error:")))
}

// redisError is an error of Redis that a script caught.
type redisError string

func (e redisError) Error() string { return string(e) }
