package script

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/task"
)

var (
	forwardScript = named("forward")
	sweepScript   = named("sweep")
	adoptScript   = named("adopt")
	recoverScript = named("recover")
)

const (
	// forwardBatch, sweepBatch and adoptBatch are how many tasks of a set one step deals with, so that Redis is not held up for
	// long.
	forwardBatch = 500
	sweepBatch   = 100
	adoptBatch   = 100
	// adoptWait bounds the work on one queue in one round.
	adoptWait = 5 * time.Second
)

// Forwarded is what a step of forwarding has done.
type Forwarded struct {
	Wait    time.Duration // until the next task is due; 0 if more are, negative if none waits
	Damaged []Damaged
}

// Forward moves tasks of a queue whose time has come into the queue.
func Forward(ctx context.Context, rdb redis.Scripter, queue string) (Forwarded, error) {
	keys := []string{wire.DueKey(queue), wire.ScheduledKey(queue), wire.RetryKey(queue)}
	reply, err := forwardScript.run(ctx, rdb, queue, keys, forwardBatch).Slice()
	if err != nil {
		return Forwarded{}, err
	}
	return Forwarded{millis(reply[0]), damagedOf(reply[1:])}, nil
}

// Swept is what a step of sweeping has done.
type Swept struct {
	Wait    time.Duration // until the next task is due; 0 if more are, negative if there is none
	Place   int           // where the next step goes on
	Expired []string      // types of the tasks that have expired
	Damaged []Damaged
}

// Sweep ends some of the tasks of a queue that have expired, and drops some whose retention has ended. Place is that of the
// step before, 0 at first.
func Sweep(ctx context.Context, rdb redis.Scripter, queue string, place int) (Swept, error) {
	keys := []string{wire.ExpiresKey(queue), wire.PendingKey(queue), wire.CompletedKey(queue)}
	reply, err := sweepScript.run(ctx, rdb, queue, keys, sweepBatch, place).Slice()
	if err != nil {
		return Swept{}, err
	}
	return Swept{millis(reply[0]), number(reply[1]), wire.TypesOf(reply[2]), damagedOf(reply[3:])}, nil
}

// SweepAll ends all tasks of a queue that have expired, and calls ended with the type of each. Tasks whose retention has ended
// are dropped in time.
func SweepAll(ctx context.Context, rdb redis.Scripter, queue string, ended func(taskType string)) error {
	var step Swept
	for {
		var err error
		if step, err = Sweep(ctx, rdb, queue, step.Place); err != nil {
			return err
		}
		for _, taskType := range step.Expired {
			ended(taskType)
		}
		if step.Wait != 0 || len(step.Expired) == 0 && step.Place == 0 {
			return nil
		}
	}
}

// AdoptAll gives an end of their retention to the tasks of a queue that others have archived, at least that long ago, and that
// it has not seen yet.
func AdoptAll(ctx context.Context, rdb redis.Scripter, queue string, age time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, adoptWait)
	defer cancel()
	keys := []string{wire.ArchivedKey(queue), wire.AdoptedKey(queue)}
	args := []any{int(age.Seconds()), adoptBatch, ""}
	for {
		reply, err := adoptScript.run(ctx, rdb, queue, keys, args...).StringSlice()
		if err != nil || reply[0] == "" {
			return err
		}
		args = append(args[:2], reply[0])
		for i := 1; i+2 < len(reply); i += 3 {
			args = append(args, reply[i], reply[i+1], retentionOf(reply[i+2]))
		}
	}
}

// retentionOf is the retention of an archived task, as scripts take it. A message that cannot be read is of a stock client.
func retentionOf(raw string) int64 {
	m, err := wire.DecodeMessage([]byte(raw))
	if err != nil {
		m = &wire.Message{}
	}
	return m.RetentionMillis(task.Failed)
}

// DeadLease is a lease that was not extended for so long that its worker counts as dead.
type DeadLease struct {
	ID    string
	Lease string // the score of the lease
}

// Recovered says what became of tasks of dead workers.
type Recovered struct {
	Place   int      // where the next step goes on among tasks without a lease, 0 at the end
	Types   []string // of the tasks that were put back
	Damaged []Damaged
	Crashed []Crashed
}

// Crashed is a task that has had its last crash. It stays active for the caller to end.
type Crashed struct {
	ID, Message string
	Attempt     int
}

// Recover puts the tasks of dead workers back at the head of their queue, and the next ones that have no lease. A task that
// maxCrashes workers have died with is returned.
func Recover(
	ctx context.Context, rdb redis.Scripter, queue string, maxCrashes, place int, dead []DeadLease,
) (Recovered, error) {
	args := []any{maxCrashes, place}
	for _, d := range dead {
		args = append(args, d.ID, d.Lease)
	}
	keys := []string{wire.ActiveKey(queue), wire.LeaseKey(queue)}
	reply, err := recoverScript.run(ctx, rdb, queue, keys, args...).Slice()
	if err != nil {
		return Recovered{}, err
	}
	damaged, _ := reply[2].([]any)
	done := Recovered{Place: number(reply[0]), Types: wire.TypesOf(reply[1]), Damaged: damagedOf(damaged)}
	for i := 3; i+2 < len(reply); i += 3 {
		attempt, _ := strconv.Atoi(text(reply[i+2])) // a field of the hash
		done.Crashed = append(done.Crashed, Crashed{text(reply[i]), text(reply[i+1]), attempt})
	}
	return done, nil
}
