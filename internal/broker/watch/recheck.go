package watch

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/pause"
)

func (w *Watchers) checkOften(ctx context.Context) {
	for pause.For(ctx, w.Every) {
		w.check(ctx)
	}
}

// checkFields are the fields that show whether a task has changed.
var checkFields = []string{
	wire.FieldState, wire.FieldAttempt, wire.FieldProgress, wire.FieldCancelRequested, wire.FieldRunAt, wire.FieldParked,
}

// check finds changes that were not announced. Without watchers it sends no command.
func (w *Watchers) check(ctx context.Context) {
	refs := w.unfinished()
	for len(refs) > 0 && ctx.Err() == nil {
		some := refs[:min(len(refs), recheckBatch)]
		refs = refs[len(some):]
		cmds := make([]*redis.SliceCmd, len(some))
		// The error of each command is checked below.
		_, _ = w.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, r := range some {
				cmds[i] = p.HMGet(ctx, wire.TaskKey(r.Queue, r.ID), checkFields...)
			}
			return nil
		})
		for i, r := range some {
			if values, err := cmds[i].Result(); err == nil {
				w.compare(r, values)
			}
		}
	}
}

func (w *Watchers) unfinished() []wire.Ref {
	w.mu.Lock()
	defer w.mu.Unlock()
	refs := make([]wire.Ref, 0, len(w.byTask))
	for r, e := range w.byTask {
		if !e.last.State.Terminal() {
			refs = append(refs, r)
		}
	}
	return refs
}

// compare schedules a read of a task if the values of its checkFields show a change. A task that is gone may still be kept under
// another key, see drop in lua/prelude.lua; it is dropped when two checks in a row have missed it.
func (w *Watchers) compare(r wire.Ref, values []any) {
	state, _ := values[0].(string)
	seen := fmt.Sprintf("%q", values)
	gone := state == ""
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.byTask[r]
	switch {
	case e == nil:
	case gone && e.missed:
		w.drop(r)
	case gone || wire.IsFinished(state) || e.followed && seen != e.seen || e.overdue(w.now()):
		w.scheduleRead(r)
		fallthrough
	default:
		e.seen, e.missed = seen, gone
	}
}
