package beat

import (
	"context"
	"fmt"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/internal/task"
)

// configure writes the schedules of the configuration file to the store, and drops those that came from it and are not
// in it any more.
func (l *leader) configure(ctx context.Context) error {
	wanted := make(map[string]bool, len(l.Schedules))
	for _, c := range l.Schedules {
		wanted[c.ID] = true
		if err := l.put(ctx, c); err != nil {
			return fmt.Errorf("schedule %s of the configuration: %w", c.ID, err)
		}
	}
	return l.dropUnwanted(ctx, wanted)
}

// put leaves a schedule alone that is what the file says; then also a pause stays that somebody made.
func (l *leader) put(ctx context.Context, c Configured) error {
	changed := false
	_, err := l.Store.Update(ctx, c.ID, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		changed = false
		if current != nil && current.Origin == schedule.OriginConfig && current.SameSpec(c.Spec) {
			return current, nil, nil
		}
		changed = true
		s, err := schedule.Put(current, c.ID, c.Spec, c.Paused, schedule.OriginConfig, l.Store.Now())
		return s, nil, err
	})
	if changed && err == nil {
		l.Logger.Info("schedule set from the configuration", "schedule", c.ID)
	}
	return err
}

func (l *leader) dropUnwanted(ctx context.Context, wanted map[string]bool) error {
	const page = 500
	for cursor := ""; ; {
		list, next, err := l.Store.List(ctx, cursor, page)
		if err != nil {
			return err
		}
		for _, s := range list {
			if s.Origin != schedule.OriginConfig || wanted[s.ID] {
				continue
			}
			if err := l.Store.Delete(ctx, s.ID); err != nil && task.CodeOf(err) != task.CodeNotFound {
				return err
			}
			l.Logger.Info("schedule dropped: the configuration has it no more", "schedule", s.ID)
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}
