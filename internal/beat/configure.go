package beat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// restoreInterval is how often the leader looks whether the store still has the schedules of the configuration file.
const restoreInterval = 3 * time.Second

// configure writes the schedules of the configuration file to the store, and drops those that came from it and are not
// in it any more. It puts back those that the store loses while the term lasts.
func (l *leader) configure(ctx context.Context) error {
	wanted := make(map[string]Configured, len(l.Schedules))
	for _, c := range l.Schedules {
		wanted[c.ID] = c
		if err := l.putConfigured(ctx, c); err != nil {
			return err
		}
	}
	if err := l.dropUnwanted(ctx, wanted); err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(wanted))
	for len(ids) > 0 && pause.For(ctx, restoreInterval) {
		missing, err := l.Store.Missing(ctx, ids)
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			l.Logger.Warn("redis has lost schedules of the configuration; they are put back", "schedules", len(missing))
		}
		for _, id := range missing {
			if err := l.putConfigured(ctx, wanted[id]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *leader) putConfigured(ctx context.Context, c Configured) error {
	if err := l.put(ctx, c); err != nil {
		return fmt.Errorf("schedule %s of the configuration: %w", c.ID, err)
	}
	return nil
}

// put leaves a schedule alone that is what the file says. A pause that somebody made stays, too, unless it is in its pause
// that the file has changed.
func (l *leader) put(ctx context.Context, c Configured) error {
	changed := false
	_, err := l.Store.Update(ctx, c.ID, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		changed = false
		paused := c.Paused
		if current != nil && current.Origin == schedule.OriginConfig && current.FilePaused == c.Paused {
			if current.SameSpec(c.Spec) {
				return current, nil, nil
			}
			paused = paused || current.PausedReason == schedule.PausedByUser
		}
		changed = true
		s, err := schedule.Put(current, c.ID, c.Spec, paused, schedule.OriginConfig, l.Store.Now())
		if err == nil {
			s.FilePaused = c.Paused
		}
		return s, nil, err
	})
	if changed && err == nil {
		l.Logger.Info("schedule set from the configuration", "schedule", c.ID)
	}
	return err
}

var errNotOurs = errors.New("it is no schedule of the configuration")

// fromFile lets a schedule be dropped that is still one of the configuration file.
func fromFile(s *schedule.Schedule) error {
	if s.Origin != schedule.OriginConfig {
		return errNotOurs
	}
	return nil
}

func (l *leader) dropUnwanted(ctx context.Context, wanted map[string]Configured) error {
	const page = 500
	for cursor := ""; ; {
		list, next, err := l.Store.List(ctx, cursor, page)
		if err != nil {
			return err
		}
		for _, s := range list {
			if _, ok := wanted[s.ID]; ok || s.Origin != schedule.OriginConfig {
				continue
			}
			if err := l.Store.Delete(ctx, s.ID, fromFile); err != nil && !errors.Is(err, errNotOurs) && task.CodeOf(err) != task.CodeNotFound {
				return err
			}
			l.Logger.Info("schedule dropped: the configuration has it no more", "schedule", s.ID)
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}
