package script

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/task"
)

var finishScript = named("finish")

const (
	// Unstarted is the outcome of an attempt that was fetched and never begun: it counts for nothing.
	Unstarted task.State = "unstarted"
	// Parked is the outcome of an attempt that its worker cannot run, because it does not know the type.
	Parked task.State = "parked"
)

// End is the end of an attempt.
type End struct {
	ID      string
	Attempt int // which fences: an attempt that is not the newest changes nothing
	// KeepsNothing says that the task succeeded and is dropped. Nothing below is read then.
	KeepsNothing bool
	// Outcome is succeeded, failed, canceled, retrying, task.Pending for an attempt that is given up, Unstarted, or Parked.
	Outcome   task.State
	Message   []byte // to store; nil if it is stored already
	Result    []byte
	ErrorKind task.ErrorKind
	Text      string // the error message; for Parked the type
	Progress  string
	Retention int64 // in ms; negative for a task of a stock client
	// Delay is in how many ms the next attempt comes, for retrying, for Unstarted, and for Parked if the task cannot be
	// parked. 0: at once.
	Delay     int64
	ExpiresAt time.Time // for Unstarted and Parked; zero: never
	UniqueKey string    // the lock of a stock client's Unique option, "" for none
}

// Ended says what became of an attempt.
type Ended struct {
	// Outcome is what the task ended as: task.Pending if it is in its queue again, "" if the attempt was fenced off.
	Outcome task.State
	Damaged string // the error of the task's own keys, "" for none
}

// Finish writes the ends of attempts of one queue.
func Finish(ctx context.Context, rdb redis.Scripter, queue string, ends []End) ([]Ended, error) {
	args := make([]any, 0, 12*len(ends))
	for i := range ends {
		args = ends[i].appendArgs(args)
	}
	keys := []string{wire.ActiveKey(queue), wire.LeaseKey(queue)}
	outcomes, err := finishScript.run(ctx, rdb, queue, keys, args...).StringSlice()
	if err != nil {
		return nil, err
	}
	ended := make([]Ended, len(outcomes))
	for i, outcome := range outcomes {
		if damaged, ok := strings.CutPrefix(outcome, "error:"); ok {
			ended[i].Damaged = damaged
		} else {
			ended[i].Outcome = task.State(outcome)
		}
	}
	return ended, nil
}

func (e *End) appendArgs(args []any) []any {
	if e.KeepsNothing {
		return append(args, "", e.ID, e.Attempt)
	}
	return append(args, e.ID, e.Attempt, string(e.Outcome), e.Message, e.Result, string(e.ErrorKind), e.Text, e.Progress,
		e.Retention, e.Delay, unixMilli(e.ExpiresAt), e.UniqueKey)
}
