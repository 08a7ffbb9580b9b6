package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

// Due returns the ids of schedules that are due from one time until before another, earliest first.
func (s *Schedules) Due(ctx context.Context, from, until time.Time, limit int) ([]string, error) {
	start := "-inf"
	if !from.IsZero() {
		start = strconv.FormatInt(from.UnixMilli(), 10)
	}
	ids, err := s.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: dueKey, Start: start, Stop: "(" + strconv.FormatInt(until.UnixMilli(), 10), ByScore: true, Count: int64(limit),
	}).Result()
	return ids, unavailable(err)
}

// Commit moves schedules on and writes down what this owes.
func (s *Schedules) Commit(ctx context.Context, term int64, steps []*schedule.Step) ([]bool, error) {
	args := make([]any, 0, 5+8*len(steps))
	args = append(args, term, runsPrefix, schedule.RunsKept, int(runsTTL.Seconds()), len(steps))
	for _, step := range steps {
		args = append(args, step.ID)
	}
	for _, step := range steps {
		args = append(args, step.Version)
	}
	states := make([]string, len(steps))
	for i, step := range steps {
		states[i] = string(encodeState(&step.State))
		args = appendStep(args, step, states[i])
	}
	reply, err := commitScript.Run(ctx, s.rdb, []string{termKey, statesKey, dueKey, owedKey}, args...).Int64Slice()
	if errors.Is(err, redis.Nil) {
		return nil, schedule.ErrDeposed
	}
	if err != nil {
		return nil, unavailable(err)
	}
	written := make([]bool, len(steps))
	for i, step := range steps {
		if written[i] = reply[i] == 1; written[i] {
			step.Version = states[i]
		}
	}
	return written, nil
}

// appendStep writes a step the way commit.lua reads it. Most owe one tick, and no more.
func appendStep(args []any, step *schedule.Step, state string) []any {
	args = append(args, state, dueMillis(&step.State))
	if len(step.Owed) == 1 && len(step.Runs) == 0 && len(step.Ends) == 0 {
		return append(args, "-", step.Owed[0].Run.TaskID, encodeOwed(step.Owed[0]))
	}
	args = append(args, len(step.Owed))
	for _, o := range step.Owed {
		args = append(args, o.Run.TaskID, encodeOwed(o))
	}
	args = append(args, len(step.Runs))
	for _, run := range step.Runs {
		args = append(args, encodeRun(&run))
	}
	args = append(args, len(step.Ends))
	for _, end := range step.Ends {
		args = append(args, end.TaskID, string(end.State))
	}
	return args
}

// Owed returns some of the ticks that were written down and have not been struck off.
func (s *Schedules) Owed(ctx context.Context, cursor uint64) (list []*schedule.Owed, broken []error, next uint64, err error) {
	rows, next, err := s.rdb.HScan(ctx, owedKey, cursor, "", 1000).Result()
	if err != nil {
		return nil, nil, 0, unavailable(err)
	}
	for i := 0; i+1 < len(rows); i += 2 {
		o, err := decodeOwed(rows[i+1])
		if err != nil {
			broken = append(broken, fmt.Errorf("%s in %s: %w", rows[i], owedKey, err))
			continue
		}
		list = append(list, o)
	}
	return list, broken, next, nil
}

// Strike strikes off what is in its queue now, and tells it in the history.
func (s *Schedules) Strike(ctx context.Context, term int64, owed []*schedule.Owed) error {
	args := make([]any, 0, 4+3*len(owed))
	args = append(args, term, runsPrefix, schedule.RunsKept, int(runsTTL.Seconds()))
	for _, o := range owed {
		args = append(args, o.Run.TaskID, o.ScheduleID, encodeRun(&o.Run))
	}
	err := strikeScript.Run(ctx, s.rdb, []string{termKey, owedKey, statesKey}, args...).Err()
	if errors.Is(err, redis.Nil) {
		return schedule.ErrDeposed
	}
	return unavailable(err)
}

// Changes tells the ids of schedules that somebody has changed, and "" when some may have been overheard.
func (s *Schedules) Changes(ctx context.Context) <-chan string {
	changes := make(chan string, 1000)
	sub := s.rdb.Subscribe(ctx, changesChannel)
	// Receive does not watch its context while it reads.
	context.AfterFunc(ctx, func() { sub.Close() })
	go func() {
		defer close(changes)
		for ctx.Err() == nil {
			id := ""
			received, err := sub.Receive(ctx)
			if message, ok := received.(*redis.Message); ok {
				id = message.Payload
			}
			if err != nil {
				pause(ctx, 100*time.Millisecond) // Redis is away
				continue
			}
			select {
			case changes <- id:
			case <-ctx.Done():
			}
		}
	}()
	return changes
}
