package script

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

var (
	fenceScript  = named("fence")
	tickScript   = named("tick")
	forgetScript = named("forget")
	endsScript   = named("ends")
)

// Fence makes a term of the beat the newest of a queue: leaders of earlier terms can no longer put ticks into it. It returns
// schedule.ErrDeposed if a later term is known already, as the functions below do.
func Fence(ctx context.Context, rdb redis.Scripter, queue string, term int64) error {
	return leads(fenceScript.run(ctx, rdb, queue, []string{wire.TermKey(queue)}, term))
}

// EnqueueTicks puts the tasks of a batch of ticks into their queue, once for each id of a batch.
func EnqueueTicks(ctx context.Context, rdb redis.Scripter, queue string, term int64, batch string, ticks []*schedule.OutboxEntry) error {
	size := 3
	if slices.ContainsFunc(ticks, func(e *schedule.OutboxEntry) bool { return wire.EventsOf(e.Message) != "" }) {
		size = 4 // few have callbacks, and the others are not to pay for them
	}
	args := make([]any, 0, 3+size*len(ticks))
	args = append(args, term, batch, size)
	for _, e := range ticks {
		args = append(args, e.Run.TaskID, e.ScheduleID, e.Message)
		if size == 4 {
			args = append(args, wire.EventsOf(e.Message))
		}
	}
	return leads(tickScript.run(ctx, rdb, queue, []string{wire.TermKey(queue), wire.TicksKey(queue), wire.PendingKey(queue)}, args...))
}

// ForgetTicks forgets which batches were enqueued and not acknowledged.
func ForgetTicks(ctx context.Context, rdb redis.Scripter, queue string, term int64) error {
	return leads(forgetScript.run(ctx, rdb, queue, []string{wire.TermKey(queue), wire.TicksKey(queue)}, term))
}

// leads reads the answer of a script that does nothing for a leader of an earlier term.
func leads(cmd *redis.Cmd) error {
	newest, err := cmd.Bool()
	if err == nil && !newest {
		return schedule.ErrDeposed
	}
	return err
}

// Ends drops the oldest ends of tasks of schedules, and returns the next, at most limit of them. One that cannot be read is
// zero.
func Ends(ctx context.Context, rdb redis.Scripter, queue string, term int64, drop, limit int) ([]schedule.End, error) {
	keys := []string{wire.TermKey(queue), wire.HistoryKey(queue)}
	reply, err := endsScript.run(ctx, rdb, queue, keys, term, drop, limit).Slice()
	if errors.Is(err, redis.Nil) {
		return nil, schedule.ErrDeposed
	}
	if err != nil {
		return nil, err
	}
	entries, err := entriesOf(reply)
	ends := make([]schedule.End, len(entries))
	for i, e := range entries {
		ends[i] = schedule.End{ScheduleID: e.Fields["schedule"], TaskID: e.Fields["id"], State: endState(e.Fields["state"])}
	}
	return ends, err
}

func endState(s string) task.State {
	if s == "deleted" {
		return task.Canceled
	}
	return task.State(s)
}
