package redisstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

var (
	loadScript      = scripts.Script("load")
	updateScript    = scripts.Script("update")
	deleteScript    = scripts.Script("delete")
	dropTicksScript = scripts.Script("drop_ticks")
)

const (
	// runsTTL is how long the history of a schedule is kept after its newest run.
	runsTTL = 30 * 24 * time.Hour
	// patience is how long a deletion waits for the leader to enqueue the schedule's ticks: longer than a failover of the
	// leader takes.
	patience = 15 * time.Second
	// maxAnswer bounds the bytes of schedules in one answer of Redis.
	maxAnswer = 8 << 20
)

// Schedules stores schedules. It is a schedule.Store and the schedule.Journal of the leader.
type Schedules struct {
	rdb    redis.UniversalClient
	clock  *Clock
	queues Queues
}

// Queues is the part of the queues that the deletion of a schedule needs.
type Queues interface {
	// Fence keeps leaders of earlier terms from putting ticks into queues.
	Fence(ctx context.Context, term int64) error
	// Forget drops the entries of a schedule in asynq's tools.
	Forget(ctx context.Context, scheduleID string) error
}

var (
	_ schedule.Store   = (*Schedules)(nil)
	_ schedule.Journal = (*Schedules)(nil)
)

// NewSchedules returns the schedules in a Redis.
func NewSchedules(rdb redis.UniversalClient, clock *Clock, queues Queues) *Schedules {
	return &Schedules{rdb: rdb, clock: clock, queues: queues}
}

// Now is the time of Redis: the clocks of the callers may differ.
func (s *Schedules) Now() time.Time { return s.clock.Now().Truncate(time.Millisecond) }

// Get returns a schedule.
func (s *Schedules) Get(ctx context.Context, id string) (*schedule.Schedule, error) {
	loaded, err := s.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if loaded == nil {
		return nil, notFound(id)
	}
	return loaded.Schedule, nil
}

func notFound(id string) error { return task.NotFound("there is no schedule %q", id) }

// load returns nil if there is no such schedule.
func (s *Schedules) load(ctx context.Context, id string) (*schedule.Loaded, error) {
	list, err := s.Load(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// Load returns the schedules with the ids, in order, and nil for those that are gone.
func (s *Schedules) Load(ctx context.Context, ids []string) ([]*schedule.Loaded, error) {
	list := make([]*schedule.Loaded, 0, len(ids))
	for len(list) < len(ids) {
		some, err := s.loadSome(ctx, ids[len(list):])
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// loadSome returns the first of the schedules, as many as one answer of Redis should hold.
func (s *Schedules) loadSome(ctx context.Context, ids []string) ([]*schedule.Loaded, error) {
	args := make([]any, 0, 1+len(ids))
	args = append(args, maxAnswer)
	for _, id := range ids {
		args = append(args, id)
	}
	values, err := loadScript.Run(ctx, s.rdb, []string{specsKey, statesKey}, args...).Slice()
	if err != nil {
		return nil, redisconn.Coded(err)
	}
	if len(values) < 2 || len(values)/2 > len(ids) {
		return nil, fmt.Errorf("load.lua answers %d values for %d schedules", len(values), len(ids))
	}
	list := make([]*schedule.Loaded, len(values)/2)
	for i, id := range ids[:len(list)] {
		spec, hasSpec := values[2*i].(string)
		state, hasState := values[2*i+1].(string)
		if hasSpec || hasState {
			list[i] = decode(id, spec, state)
		}
	}
	return list, nil
}

// List returns schedules by id. A page is as long as one answer of Redis should be.
func (s *Schedules) List(ctx context.Context, cursor string, limit int) (list []*schedule.Schedule, next string, err error) {
	from := "-"
	if cursor != "" {
		from = "(" + cursor
	}
	ids, err := s.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: idsKey, Start: from, Stop: "+", ByLex: true, Count: int64(limit) + 1,
	}).Result()
	if err != nil {
		return nil, "", redisconn.Coded(err)
	}
	page := ids[:min(len(ids), limit)]
	if len(page) == 0 {
		return nil, "", nil
	}
	loaded, err := s.loadSome(ctx, page)
	if err != nil {
		return nil, "", err
	}
	if len(loaded) < len(ids) {
		next = page[len(loaded)-1]
	}
	for _, l := range loaded {
		if l != nil { // it has not been deleted since
			list = append(list, l.Schedule)
		}
	}
	return list, next, nil
}

// Missing returns those of the ids under which there is no schedule.
func (s *Schedules) Missing(ctx context.Context, ids []string) (missing []string, err error) {
	for page := range slices.Chunk(ids, 1000) {
		args := []any{"ZMSCORE", idsKey}
		for _, id := range page {
			args = append(args, id)
		}
		scores, err := s.rdb.Do(ctx, args...).Slice()
		if err != nil {
			return nil, redisconn.Coded(err)
		}
		for i, score := range scores {
			if score == nil {
				missing = append(missing, page[i])
			}
		}
	}
	return missing, nil
}

// Update replaces a schedule by what change makes of it.
func (s *Schedules) Update(
	ctx context.Context, id string, change func(*schedule.Schedule) (*schedule.Schedule, []schedule.Run, error),
) (*schedule.Schedule, error) {
	for {
		loaded, err := s.load(ctx, id)
		if err != nil {
			return nil, err
		}
		var current *schedule.Schedule
		version := ""
		if loaded != nil {
			current, version = loaded.Schedule, loaded.Version
		}
		changed, runs, err := change(current)
		if err != nil || changed == current {
			return current, err
		}
		if done, err := s.write(ctx, version, changed, runs); err != nil || done {
			return changed, err
		}
	}
}

// write reports false if the schedule has another version by now.
func (s *Schedules) write(ctx context.Context, version string, changed *schedule.Schedule, runs []schedule.Run) (bool, error) {
	spec, err := encodeSpec(changed)
	if err != nil {
		return false, fmt.Errorf("encode schedule %s: %w", changed.ID, err)
	}
	args := []any{
		changed.ID, version, spec, encodeState(&changed.State), dueMillis(&changed.State), ChangesChannel, schedule.RunsKept, int(runsTTL.Seconds()),
	}
	for _, run := range runs {
		args = append(args, encodeRun(&run))
	}
	keys := []string{specsKey, statesKey, idsKey, dueKey, runsPrefix + changed.ID}
	done, err := updateScript.Run(ctx, s.rdb, keys, args...).Bool()
	return done, redisconn.Coded(err)
}

// Delete drops a schedule, unless check returns an error. Its ticks in the outbox are enqueued before this returns, or never.
func (s *Schedules) Delete(ctx context.Context, id string, check func(*schedule.Schedule) error) error {
	known, err := s.drop(ctx, id, check)
	if err != nil {
		return err
	}
	// This also completes an earlier deletion that was interrupted.
	if err := s.dropTicks(ctx, id); err != nil {
		return err
	}
	if err := s.queues.Forget(ctx, id); err != nil {
		return err
	}
	if !known {
		return notFound(id)
	}
	return nil
}

// drop reports false if there is no such schedule.
func (s *Schedules) drop(ctx context.Context, id string, check func(*schedule.Schedule) error) (known bool, err error) {
	for {
		loaded, err := s.load(ctx, id)
		if err != nil {
			return false, err
		}
		version := ""
		if loaded != nil {
			version = loaded.Version
			if check != nil {
				if err := check(loaded.Schedule); err != nil {
					return false, err
				}
			}
		}
		deleted, err := s.deleteVersion(ctx, id, version)
		if err != nil || deleted {
			return loaded != nil, err
		}
		// It has been changed, and is checked again.
	}
}

// deleteVersion reports false if the schedule has been changed since it had the version.
func (s *Schedules) deleteVersion(ctx context.Context, id, version string) (bool, error) {
	keys := []string{specsKey, statesKey, idsKey, dueKey, runsPrefix + id}
	deleted, err := deleteScript.Run(ctx, s.rdb, keys, id, ChangesChannel, version).Bool()
	return deleted, redisconn.Coded(err)
}

func (s *Schedules) dropTicks(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	batches, err := s.batchesWith(ctx, id)
	if err != nil || len(batches) == 0 {
		return err
	}
	for {
		drop, err := s.dropFrom(ctx, id, batches)
		if err != nil {
			return err
		}
		if drop.term != 0 {
			return s.queues.Fence(ctx, drop.term)
		}
		if drop.waiting == 0 {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return task.Unavailable(fmt.Errorf("ticks of schedule %s are not yet enqueued: %w", id, ctx.Err()))
		}
	}
}

// tickDrop is what drop_ticks.lua did: it found batches that wait for the leader, or dropped ticks and began a term.
type tickDrop struct {
	waiting int64
	term    int64 // 0 for none
}

func (s *Schedules) dropFrom(ctx context.Context, id string, batches []string) (tickDrop, error) {
	args := []any{id}
	for _, batch := range batches {
		args = append(args, batch)
	}
	reply, err := dropTicksScript.Run(ctx, s.rdb, []string{outboxKey, leaderKey, termKey}, args...).Int64Slice()
	if err != nil {
		return tickDrop{}, redisconn.Coded(err)
	}
	return tickDrop{waiting: reply[0], term: reply[1]}, nil
}

// batchesWith returns the ids of the batches in the outbox that have ticks of a schedule.
func (s *Schedules) batchesWith(ctx context.Context, id string) (batches []string, err error) {
	for cursor := uint64(0); ; {
		list, _, next, err := s.Outbox(ctx, cursor)
		if err != nil {
			return nil, err
		}
		for _, batch := range list {
			if slices.ContainsFunc(batch.Entries, func(e *schedule.OutboxEntry) bool { return e.ScheduleID == id }) {
				batches = append(batches, batch.ID)
			}
		}
		if cursor = next; cursor == 0 {
			return batches, nil
		}
	}
}

// Runs returns the newest runs of a schedule, newest first.
func (s *Schedules) Runs(ctx context.Context, id string, limit int) ([]schedule.Run, error) {
	if _, err := s.Get(ctx, id); err != nil {
		return nil, err
	}
	entries, err := s.rdb.LRange(ctx, runsPrefix+id, 0, int64(limit)-1).Result()
	if err != nil {
		return nil, redisconn.Coded(err)
	}
	runs := make([]schedule.Run, 0, len(entries))
	for _, entry := range entries {
		if run, err := decodeRun(entry); err == nil { // others were not written by this package
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// Count returns how many schedules there are, and when the next is due.
func (s *Schedules) Count(ctx context.Context) (n int, next time.Time, err error) {
	var count *redis.IntCmd
	var first *redis.ZSliceCmd
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		count, first = p.ZCard(ctx, idsKey), p.ZRangeWithScores(ctx, dueKey, 0, 0)
		return nil
	})
	if err != nil {
		return 0, time.Time{}, redisconn.Coded(err)
	}
	if z := first.Val(); len(z) > 0 {
		next = time.UnixMilli(int64(z[0].Score))
	}
	return int(count.Val()), next, nil
}
