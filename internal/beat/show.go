package beat

import (
	"context"
	"slices"
	"time"

	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/schedule"
)

const (
	showInterval = 5 * time.Second
	// showLimit is how many schedules asynq's tools show: those that are due next.
	showLimit = 300
	// showBytes bounds the payloads of those, and showPage is how many are read at a time.
	showBytes = 4 << 20
	showPage  = 16
)

// show shows the next schedules in asynq's own tools. Nothing but what people see depends on it, so it ends no term.
func (l *leader) show(ctx context.Context) error {
	for {
		if err := l.showNext(ctx, showLimit, l.Journal.Now().Add(3*showInterval)); err != nil && ctx.Err() == nil {
			l.Logger.Debug("schedules not shown in asynq's tools", "error", err)
		}
		if !pause.For(ctx, showInterval) {
			break
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := l.Queues.Hide(ctx); err != nil {
		l.Logger.Debug("schedules not hidden from asynq's tools; they will be soon", "error", err)
	}
	return nil
}

func (l *leader) showNext(ctx context.Context, limit int, until time.Time) error {
	ids, err := l.Journal.Due(ctx, time.Time{}, until.AddDate(100, 0, 0), limit)
	if err != nil {
		return err
	}
	next := make([]*schedule.Schedule, 0, len(ids))
	shown, bytes := make(map[string]bool, len(ids)), 0
	for page := range slices.Chunk(ids, showPage) {
		list, err := l.Journal.Load(ctx, page)
		if err != nil {
			return err
		}
		for _, s := range list {
			if s != nil && s.Broken == nil && bytes < showBytes {
				next = append(next, s.Schedule)
				shown[s.ID] = true
				bytes += len(s.Spec.Task.Payload)
			}
		}
		if bytes >= showBytes {
			break
		}
	}
	l.mu.Lock()
	l.shown = shown
	l.mu.Unlock()
	return l.Queues.Show(ctx, next, until)
}
