package beat

import (
	"context"
	"slices"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

// replan looks once whether the next tick of each schedule is still the one that its trigger names: the rules of a time
// zone may be others than those of the leader that planned it. Those that are due first come first. Where the clock was set
// back while none led, it goes on from the time at which schedules ran last.
func (l *leader) replan(ctx context.Context) error {
	now := l.Journal.Now()
	ids, err := l.Journal.Due(ctx, now, now.AddDate(10_000, 0, 0), -1)
	if err != nil {
		return err
	}
	for page := range slices.Chunk(ids, batchSize) {
		list, err := l.Journal.Load(ctx, page)
		if err != nil {
			return err
		}
		for _, loaded := range list {
			if loaded == nil || loaded.Broken != nil {
				continue
			}
			l.Journal.Advance(loaded.LastRunAt)
			if s, err := schedule.Replan(loaded.Schedule, l.Journal.Now()); err != nil || s == loaded.Schedule {
				continue // what cannot be understood is found when it is due
			}
			if err := l.replanOne(ctx, loaded.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *leader) replanOne(ctx context.Context, id string) error {
	var before time.Time
	s, err := l.Store.Update(ctx, id, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		if current == nil {
			return nil, nil, nil // it has been deleted
		}
		before = current.Next
		s, err := schedule.Replan(current, l.Journal.Now())
		if err != nil {
			return current, nil, nil //nolint:nilerr // it is found when it is due
		}
		return s, nil, nil
	})
	if err == nil && s != nil && !s.Next.Equal(before) {
		l.Logger.Info("next tick planned anew: the rules of its time zone, or the clock, have changed",
			"schedule", id, "before", before, "next", s.Next)
	}
	return err
}
