package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/internal/schedule"
)

var (
	commitScript = scripts.Script("commit")
	ackScript    = scripts.Script("ack")
)

// Advance lets the time go on from t if that is ahead.
func (s *Schedules) Advance(t time.Time) { s.clock.Advance(t) }

// Due returns the ids of schedules that are due from one time until before another, earliest first.
func (s *Schedules) Due(ctx context.Context, from, until time.Time, limit int) ([]string, error) {
	start := "-inf"
	if !from.IsZero() {
		start = strconv.FormatInt(from.UnixMilli(), 10)
	}
	ids, err := s.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: dueKey, Start: start, Stop: "(" + strconv.FormatInt(until.UnixMilli(), 10), ByScore: true, Count: int64(limit),
	}).Result()
	return ids, redisconn.Coded(err)
}

// Commit moves schedules on and adds their ticks to the outbox.
func (s *Schedules) Commit(ctx context.Context, term int64, batch string, steps []*schedule.Step) ([]bool, error) {
	states := make([]string, len(steps))
	for i, step := range steps {
		states[i] = string(encodeState(&step.State))
	}
	written, err := s.commit(ctx, term, batch, steps, states)
	if err != nil {
		return nil, err
	}
	for i, step := range steps {
		if written[i] {
			step.Version = states[i]
		}
	}
	return written, nil
}

// commit runs commit.lua for steps, which have the new states.
func (s *Schedules) commit(ctx context.Context, term int64, batch string, steps []*schedule.Step, states []string) ([]bool, error) {
	keys := []string{termKey, statesKey, dueKey, outboxKey}
	refused, err := commitScript.Run(ctx, s.rdb, keys, commitArgs(term, batch, steps, states)...).Int64Slice()
	if errors.Is(err, redis.Nil) {
		return nil, schedule.ErrDeposed
	}
	if err != nil {
		return nil, refusedOr(err)
	}
	written := make([]bool, len(steps))
	for i := range written {
		written[i] = true
	}
	for _, number := range refused {
		written[number-1] = false
	}
	return written, nil
}

// refusedOr returns ErrRefused for errors about the arguments, such as that a value would be too large, and else an error
// about Redis itself.
func refusedOr(err error) error {
	answer, ok := errors.AsType[redis.Error](err)
	if !ok {
		return redisconn.Coded(err)
	}
	code, _, _ := strings.Cut(answer.Error(), " ")
	if code == "ERR" || code == "WRONGTYPE" {
		return fmt.Errorf("%w: %w", schedule.ErrRefused, err)
	}
	return redisconn.Coded(err)
}

// commitArgs are the ARGV of commit.lua.
func commitArgs(term int64, batch string, steps []*schedule.Step, states []string) []any {
	args := make([]any, 0, 8+3*len(steps))
	args = append(args, term, runsPrefix, schedule.RunsKept, int(runsTTL.Seconds()), batch, len(steps))
	for _, step := range steps {
		args = append(args, step.ID)
	}
	for _, step := range steps {
		args = append(args, step.Version)
	}
	for _, state := range states {
		args = append(args, state)
	}
	args = appendRows(args, steps)
	for i, step := range steps {
		// Most steps fire a tick and do nothing else.
		if len(step.Entries) == 0 || step.Due.IsZero() || len(step.Runs)+len(step.Ends) > 0 {
			args = appendStep(args, i+1, step)
		}
	}
	return args
}

// appendRows adds the ticks of steps as one argument, and the number of bytes of each step as another: Lua hashes each byte
// of each string, so it should cut them only where a step was refused.
func appendRows(args []any, steps []*schedule.Step) []any {
	size := 0
	for _, step := range steps {
		size += rowsSize(step.Entries)
	}
	rows, sizes := make([]byte, 0, size), make([]byte, 0, 4*len(steps))
	for _, step := range steps {
		before := len(rows)
		rows = encodeRows(rows, step.Entries)
		sizes = append(strconv.AppendInt(sizes, int64(len(rows)-before), 10), ' ')
	}
	return append(args, rows, sizes)
}

// appendStep adds the rest of a step.
func appendStep(args []any, number int, step *schedule.Step) []any {
	args = append(args, number, dueMillis(&step.State), len(step.Runs))
	for _, run := range step.Runs {
		args = append(args, encodeRun(&run))
	}
	args = append(args, len(step.Ends))
	for _, end := range step.Ends {
		args = append(args, end.TaskID, string(end.State))
	}
	return args
}

// outboxPage is how many batches are read at a time: hundreds of ticks may be in each.
const outboxPage = 8

// Outbox returns some of the batches in the outbox: committed, and not yet acknowledged.
func (s *Schedules) Outbox(ctx context.Context, cursor uint64) (list []*schedule.Batch, broken []error, next uint64, err error) {
	fields, next, err := s.rdb.HScan(ctx, outboxKey, cursor, "", outboxPage).Result()
	if err != nil {
		return nil, nil, 0, redisconn.Coded(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		entries, err := decodeRows(fields[i+1])
		if err != nil {
			broken = append(broken, fmt.Errorf("%s in %s: %w", fields[i], outboxKey, err))
			continue
		}
		list = append(list, &schedule.Batch{ID: fields[i], Entries: entries})
	}
	return list, broken, next, nil
}

// Ack removes an enqueued batch from the outbox and adds its ticks to the history.
func (s *Schedules) Ack(ctx context.Context, term int64, batch *schedule.Batch) error {
	args := make([]any, 0, 5+2*len(batch.Entries))
	args = append(args, term, runsPrefix, schedule.RunsKept, int(runsTTL.Seconds()), batch.ID)
	for _, e := range batch.Entries {
		args = append(args, e.ScheduleID, encodeRun(&e.Run))
	}
	err := ackScript.Run(ctx, s.rdb, []string{termKey, outboxKey, statesKey, dueKey}, args...).Err()
	if errors.Is(err, redis.Nil) {
		return schedule.ErrDeposed
	}
	return redisconn.Coded(err)
}

// Changes sends the ids of schedules that have been changed, and "" when notifications may have been missed.
func (s *Schedules) Changes(ctx context.Context) <-chan string {
	changes := make(chan string, 1000)
	go func() {
		defer close(changes)
		redisconn.Subscribe(ctx, s.rdb, func(received any) {
			id := ""
			if message, ok := received.(*redis.Message); ok {
				id = message.Payload
			}
			select {
			case changes <- id:
			case <-ctx.Done():
			}
		}, ChangesChannel)
	}()
	return changes
}
