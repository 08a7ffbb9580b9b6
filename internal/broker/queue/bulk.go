package queue

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/batch"
	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// bulkTasks is how many tasks a bulk change looks at, and changes, at once, so that Redis is not held up for long.
	bulkTasks = 200
	// bulkBytes bounds what these may weigh, as far as the ones before them tell.
	bulkBytes = 4 << 20
)

// Bulk takes an action on all tasks that a filter selects when their turn comes, state by state. It goes through each
// once: tasks that come while it is at work are left alone, or at any rate do not keep it at work. What moves back to
// an earlier state meanwhile can be passed over. When it ends early, because ctx does or Redis is away, the result
// tells what is done, and doing it again does the rest. Errors: CodeInvalid, with locations such as filter.state;
// CodeUnavailable.
func (c *Client) Bulk(ctx context.Context, change fleet.Bulk) (fleet.BulkResult, error) {
	if faults := change.Check(); len(faults) > 0 {
		return fleet.BulkResult{}, task.Invalid(faults...)
	}
	b := &bulk{Client: c, Bulk: change, size: bulkTasks / 8}
	if change.OlderThan > 0 {
		b.before = c.Now().Add(-change.OlderThan)
	}
	if err := c.knowsAll(ctx, change.Filter.Queues); err != nil {
		if e, ok := errors.AsType[*task.Error](err); ok && e.Code == task.CodeInvalid {
			err = task.Invalid(task.ValidationError{Location: "filter." + e.Faults[0].Location, Message: e.Faults[0].Message})
		}
		return fleet.BulkResult{}, err
	}
	sections, err := b.sections(ctx)
	for _, s := range sections {
		if err == nil && s.state == task.Running {
			err = b.changeRunning(ctx, s)
		} else if err == nil {
			err = b.changeSection(ctx, s)
		}
	}
	return b.result, err
}

// bulk is a bulk change under way.
type bulk struct {
	*Client
	fleet.Bulk
	before time.Time // tasks must be older than this; zero: of any age
	size   int       // of the next chunk
	result fleet.BulkResult
}

// sections are where tasks may be that allow the action; and where they run, for those that are deleted: whoever
// wants all of them gone is told which are not.
func (b *bulk) sections(ctx context.Context) ([]section, error) {
	all, err := b.Client.sections(ctx, b.Filter)
	if err != nil {
		return nil, err
	}
	var sections []section
	for _, s := range all {
		if s.state == task.Scheduled && b.Action == fleet.ActionCancel && b.leavesRetrying() && !b.DryRun {
			// The one way back that tasks go by themselves is from here to pending. So it is looked at twice, the first
			// time before they can have gone it; what is canceled is not found again.
			sections = append(sections, newSection(s.queue, task.Retrying))
		}
		if b.Action.AppliesTo(s.state) || b.Action == fleet.ActionDelete {
			sections = append(sections, s)
		}
	}
	return sections, nil
}

// leavesRetrying reports whether tasks that are retrying are selected.
func (b *bulk) leavesRetrying() bool {
	return len(b.Filter.States) == 0 || slices.Contains(b.Filter.States, task.Retrying)
}

// changeSection goes through a section from which it takes what it changes.
func (b *bulk) changeSection(ctx context.Context, s section) error {
	var w walk
	var first []entry
	for {
		entries, err := b.next(ctx, s, &w)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			break
		}
		if s.list && first == nil {
			// The newest stays until last, for the way to be found by: what is in front of it came later.
			first, entries = entries[:1], entries[1:]
			w.pass(first, nil)
		}
		changed, err := b.change(ctx, s, entries)
		if err != nil {
			return err
		}
		w.pass(entries, changed)
	}
	_, err := b.change(ctx, s, first)
	return err
}

// walk is how far the way through a section has led.
type walk struct {
	seen position
	kept entry // the last that was seen and left where it was; it is found at once, and what was changed is not
}

// next returns the next chunk of entries.
func (b *bulk) next(ctx context.Context, s section, w *walk) ([]entry, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.list {
		at := position{started: w.seen.started, entry: w.kept}
		at.Rest = w.seen.Rest // all between the two is gone
		return b.listEntries(ctx, s.key, at, int64(b.size))
	}
	from := w.kept
	if from.ID == "" {
		from = w.seen.entry
	}
	return b.entries(ctx, s, w.seen, from, b.size)
}

// pass moves on behind entries, of which some have been changed.
func (w *walk) pass(entries []entry, changed map[string]bool) {
	for _, e := range entries {
		w.seen = position{started: true, entry: e}
		if !changed[e.ID] {
			w.kept = e
		}
	}
}

// changeRunning asks the tasks that run to stop. They stay in their list, which loses others in any order; but it is no
// longer than what all workers run at once, so it is read in one piece.
func (b *bulk) changeRunning(ctx context.Context, s section) error {
	ids, err := b.rdb.LRange(ctx, s.key, 0, -1).Result()
	for len(ids) > 0 && err == nil {
		entries := make([]entry, min(b.size, len(ids)))
		for i := range entries {
			entries[i].ID = ids[i]
		}
		ids = ids[len(entries):]
		if err = ctx.Err(); err == nil {
			_, err = b.change(ctx, s, entries)
		}
	}
	return redisconn.Coded(err)
}

// change takes the action on the tasks of a chunk that are selected. It returns the ids of those that are changed.
func (b *bulk) change(ctx context.Context, s section, entries []entry) (map[string]bool, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	entries, err := b.sift(ctx, s, entries)
	changed := make(map[string]bool, len(entries))
	for len(entries) > 0 && err == nil {
		n := batch.Within(entries, bulkBytes, func(e entry) int { return e.weight })
		err = b.changeSome(ctx, s, entries[:n], changed)
		entries = entries[n:]
	}
	return changed, err
}

// changeSome does so with tasks that are not too heavy to be read at once, and notes those that are changed.
func (b *bulk) changeSome(ctx context.Context, s section, entries []entry, changed map[string]bool) error {
	refs := make([]wire.Ref, len(entries))
	for i, e := range entries {
		refs[i] = wire.Ref{Queue: s.queue, ID: e.ID}
	}
	records, err := b.readFields(ctx, refs, wire.FieldsWithoutResult)
	if err != nil {
		return err
	}
	b.resize(records)
	var selected []*wire.Record
	for _, r := range records {
		if r != nil && b.selects(s, r) {
			selected = append(selected, r)
		}
	}
	b.result.Matched += len(selected)
	if !b.Action.AppliesTo(s.state) {
		b.result.Skipped += len(selected)
		return nil
	}
	if b.DryRun {
		return nil
	}
	return b.act(ctx, s, selected, changed)
}

// sift leaves out what a glance shows not to be selected; and in a dry run also what it shows to be, which it counts.
func (b *bulk) sift(ctx context.Context, s section, entries []entry) (rest []entry, err error) {
	if !b.DryRun && len(b.Filter.Types) == 0 {
		return entries, nil
	}
	for len(entries) > 0 {
		glances, err := b.glances(ctx, s.queue, entries)
		if err != nil {
			return nil, err
		}
		for i, g := range glances {
			switch {
			case !g.mayBe(b.Filter):
			case !b.DryRun || g.Record == nil:
				entries[i].weight = g.Weight
				rest = append(rest, entries[i])
			case b.selects(s, g.Record):
				b.result.Matched++
				if !b.Action.AppliesTo(s.state) {
					b.result.Skipped++
				}
			}
		}
		entries = entries[len(glances):]
	}
	if b.DryRun && len(rest) == 0 {
		b.size = min(2*b.size, listChunk)
	}
	return rest, nil
}

// resize adapts the size of chunks to the weight of the tasks.
func (b *bulk) resize(records []*wire.Record) {
	weight := 1
	for _, r := range records {
		if r != nil {
			weight += len(r.Raw)
		}
	}
	b.size = min(max(1, len(records)*bulkBytes/weight), 2*b.size, bulkTasks)
}

func (b *bulk) selects(s section, r *wire.Record) bool {
	state := r.TaskState()
	if state != s.state || !b.Filter.HasType(r.Message.Type) {
		return false
	}
	if b.Action == fleet.ActionCancel && state == task.Running && r.Fields[wire.FieldCancelRequested] != "" {
		return false // it has been asked to stop
	}
	if b.before.IsZero() {
		return true
	}
	since := r.Message.Time(wire.HeaderCreatedAt)
	if state.Terminal() {
		since = r.FinishedAt()
	}
	return !since.IsZero() && since.Before(b.before) // other asynq clients do not say when they made a task
}

// act runs the script on tasks of a queue, as many at once as are not too heavy. It notes the ids of those that are
// changed.
func (b *bulk) act(ctx context.Context, s section, records []*wire.Record, changed map[string]bool) error {
	for len(records) > 0 {
		n := batch.Within(records, bulkBytes, func(r *wire.Record) int { return len(r.Raw) })
		replies, err := b.runScript(ctx, s, records[:n])
		if err != nil {
			return err
		}
		var running []string
		for i, r := range records[:n] {
			changed[r.ID] = replies[i] == script.Done || replies[i] == script.Requested
			if changed[r.ID] {
				b.result.Changed++
			} else {
				b.result.Skipped++
			}
			switch {
			case replies[i] == script.Requested:
				running = append(running, r.ID)
			case replies[i] == script.Done && b.Action == fleet.ActionCancel:
				b.meter.Ended(r.Message.Type, r.Queue, task.Canceled)
			}
		}
		b.interrupt(ctx, running)
		records = records[n:]
	}
	return nil
}

func (b *bulk) runScript(ctx context.Context, s section, records []*wire.Record) ([]script.Reply, error) {
	change := script.Bulk{Action: b.Action, Window: bulkTasks}
	if len(b.Filter.States) > 0 {
		change.State = records[0].State
		if s.state == task.Canceled || s.state == task.Expired {
			change.Outcome = s.state
		}
	}
	replies, err := change.Run(ctx, b.rdb, s.queue, records)
	return replies, redisconn.Coded(err)
}

// interrupt tells the workers which tasks are to stop. Those that it does not reach poll.
func (b *bulk) interrupt(ctx context.Context, ids []string) {
	if len(ids) == 0 {
		return
	}
	_, _ = b.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, id := range ids {
			p.Publish(ctx, wire.AsynqCancelChannel, id)
		}
		return nil
	})
}
