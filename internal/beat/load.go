package beat

import (
	"context"
	"errors"
	"slices"
	"time"
)

// loadInterval is how often schedules that come within the horizon are loaded.
const loadInterval = time.Second

// errSetBack ends a term in which the clock was set back: the next one plans anew.
var errSetBack = errors.New("the clock was set back")

// load reads schedules before they are due. It reads each period once: fire is notified of later changes in that period.
// If a notification may have been missed, load reads all of it again.
func (l *leader) load(ctx context.Context) error {
	var until time.Time
	for {
		end := l.Journal.Now().Add(horizon)
		if end.Add(horizon).Before(until) {
			return errSetBack
		}
		ids, err := l.Journal.Due(ctx, until, end, -1)
		if err != nil {
			return err
		}
		for page := range slices.Chunk(ids, batchSize) {
			list, err := l.Journal.Load(ctx, page)
			if err != nil {
				return err
			}
			select {
			case l.loaded <- list:
			case <-ctx.Done():
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(loadInterval):
			until = end
		case <-l.missedChange:
			until = time.Time{}
		}
	}
}
