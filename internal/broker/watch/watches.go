package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/notifier"
	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// recheckInterval is how soon those who watch learn of what nobody announced: a stock asynq server does not.
	recheckInterval = 2 * time.Second
	// recheckBatch is how many tasks are looked at in one round trip.
	recheckBatch = 500
	// rereadBatch is how many are read whole in one, with payload and result.
	rereadBatch = 64
)

// announcement is what scripts say of a task that is watched: that it has become another, or that it is over.
type announcement struct {
	Queue string     `json:"queue"` // its own prefix
	ID    string     `json:"id"`
	State task.State `json:"state"` // "" while it is not over; or "deleted"
}

// watches holds those of one process who watch tasks. One subscription serves them all. What was announced is read by one
// loop, once for all who watch the task, and what comes together while it reads makes the next batch: a task that
// changes faster than that is read less often, and nobody waits for anybody else.
type Watchers struct {
	rdb  redis.UniversalClient
	read func(ctx context.Context, refs []wire.Ref) ([]*wire.Record, error)
	// Every is how often it looks for changes that nobody announced. Default: 2 s. It is set before anybody watches a task.
	Every time.Duration
	begin sync.Once
	now   func() time.Time   // of Redis
	stop  context.CancelFunc // nil until the loops run
	loops sync.WaitGroup

	subscribed     chan struct{} // closed when announcements are heard for the first time
	subscribedOnce sync.Once

	mu       sync.Mutex
	byTask   map[wire.Ref]*group
	unread   map[wire.Ref]bool // to be read again; true if it was announced that the task is over
	readSoon notifier.Notifier
}

// audience is those who watch one task.
type group struct {
	watchers map[*Watcher]struct{}
	followed bool       // one of them wants everything
	last     *task.Task // as it was read last
	seen     string     // what the last recheck saw of it
	missed   bool       // it found no task
}

// Watcher is one who watches a task.
type Watcher struct {
	wire.Ref
	Wants   Interest
	Updates chan *task.Task // holds one, the newest; closed when the task is gone
}

// Interest is what somebody wants to hear of a task. The values are those of its mark, see lua/prelude.lua.
type Interest string

const (
	End     Interest = "1"
	Changes Interest = "2"
)

func New(
	rdb redis.UniversalClient, read func(context.Context, []wire.Ref) ([]*wire.Record, error), now func() time.Time,
) *Watchers {
	return &Watchers{
		rdb:        rdb,
		read:       read,
		now:        now,
		Every:      recheckInterval,
		subscribed: make(chan struct{}),
		byTask:     make(map[wire.Ref]*group),
		unread:     make(map[wire.Ref]bool),
		readSoon:   notifier.New(),
	}
}

// Len returns how many tasks are watched.
func (w *Watchers) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.byTask)
}

func (w *Watchers) Close() {
	w.begin.Do(func() {}) // from now on nobody starts the loops
	if w.stop != nil {
		w.stop()
		w.loops.Wait()
	}
}

// join registers somebody who watches the task, which was found to be t; who wants everything gets that first. The first
// one of all starts the subscription.
func (w *Watchers) Add(r wire.Ref, t *task.Task, wants Interest) *Watcher {
	w.begin.Do(func() {
		ctx, stop := context.WithCancel(context.Background())
		w.stop = stop
		for _, loop := range []func(context.Context){w.listen, w.checkOften, w.readLoop} {
			w.loops.Go(func() { loop(ctx) })
		}
	})
	one := &Watcher{Ref: r, Wants: wants, Updates: make(chan *task.Task, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.byTask[r]
	if e == nil {
		e = &group{watchers: make(map[*Watcher]struct{})}
		w.byTask[r] = e
	}
	e.last = t
	e.followed = e.followed || wants == Changes
	e.watchers[one] = struct{}{}
	if wants == Changes {
		one.Updates <- t
	}
	return one
}

// hear waits until announcements are heard. While Redis is away, whoever watches finds that out by itself.
func (w *Watchers) AwaitSubscription(ctx context.Context) {
	timer := time.NewTimer(recheckInterval)
	defer timer.Stop()
	select {
	case <-w.subscribed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (w *Watchers) Remove(one *Watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.byTask[one.Ref]
	if e == nil {
		return
	}
	delete(e.watchers, one)
	if len(e.watchers) == 0 {
		delete(w.byTask, one.Ref)
	}
}

// listen hears announcements. What was announced while there was no connection was missed, so everything is looked at.
func (w *Watchers) listen(ctx context.Context) {
	redisconn.Subscribe(ctx, w.rdb, func(received any) {
		switch m := received.(type) {
		case *redis.Subscription:
			w.subscribedOnce.Do(func() { close(w.subscribed) })
			w.check(ctx)
		case *redis.Message:
			var n announcement
			if json.Unmarshal([]byte(m.Payload), &n) == nil {
				w.received(&n)
			}
		}
	}, wire.WatchedChannel)
}

// heard has a task read again of which something was announced. An end replaces what was announced before it.
func (w *Watchers) received(n *announcement) {
	r := wire.Ref{Queue: wire.QueueOfOwnPrefix(n.Queue), ID: n.ID}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byTask[r] == nil {
		return // another process watches it
	}
	w.unread[r] = w.unread[r] || n.State != ""
	w.scheduleRead(r)
}

// Reread has a task read again.
func (w *Watchers) Reread(r wire.Ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scheduleRead(r)
}

// call wakes the loop that reads. The lock is held.
func (w *Watchers) scheduleRead(r wire.Ref) {
	if _, known := w.unread[r]; !known {
		w.unread[r] = false
	}
	w.readSoon.Notify()
}

func (w *Watchers) readLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.readSoon:
		}
		for batch := w.take(); len(batch) > 0 && ctx.Err() == nil; batch = w.take() {
			w.readAll(ctx, batch)
		}
	}
}

// take returns what is to be read next: of one queue, for in a cluster queues can be out of reach one by one.
func (w *Watchers) take() map[wire.Ref]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := make(map[wire.Ref]bool)
	var queue string
	for r, end := range w.unread {
		if len(batch) == 0 {
			queue = r.Queue
		}
		if r.Queue == queue && len(batch) < rereadBatch {
			batch[r] = end
			delete(w.unread, r)
		}
	}
	return batch
}

func (w *Watchers) readAll(ctx context.Context, batch map[wire.Ref]bool) {
	refs := make([]wire.Ref, 0, len(batch))
	for r := range batch {
		refs = append(refs, r)
	}
	records, err := w.read(ctx, refs)
	if err != nil {
		w.unreadAgain(batch)
		pause.For(ctx, 100*time.Millisecond) // Redis is away
		return
	}
	for i, r := range refs {
		var t *task.Task
		if records[i] != nil {
			t = records[i].Task()
		}
		w.notify(r, t, batch[r])
	}
}

// putBack takes back what could not be read. What was announced since is newer.
func (w *Watchers) unreadAgain(batch map[wire.Ref]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r, end := range batch {
		w.unread[r] = w.unread[r] || end
		w.scheduleRead(r)
	}
}

// tell tells those who watch a task what was read of it, nil for nothing, and whether it was announced that it is over.
func (w *Watchers) notify(r wire.Ref, t *task.Task, over bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.byTask[r]
	switch {
	case e == nil: // nobody watches it any more
	case t != nil:
		e.send(t)
	case over: // it was deleted, or dropped so long ago that nothing tells how it ended
		w.drop(r)
	default: // that it is over is still on its way; if that was missed, look sees to it
	}
}

// show shows the task as it is now.
func (e *group) send(t *task.Task) {
	e.last = t
	for one := range e.watchers {
		if one.Wants == End && !t.State.Terminal() {
			continue
		}
		select {
		case <-one.Updates: // nobody has taken it, and now it is old
		default:
		}
		one.Updates <- t // there is room: nobody else sends
	}
}

// drop tells those who watch a task that it is gone. The lock is held.
func (w *Watchers) drop(r wire.Ref) {
	for one := range w.byTask[r].watchers {
		close(one.Updates)
	}
	delete(w.byTask, r)
}

func (w *Watchers) checkOften(ctx context.Context) {
	for pause.For(ctx, w.Every) {
		w.check(ctx)
	}
}

// lookFields tell whether a task has changed.
var lookFields = []string{wire.FieldState, wire.FieldAttempt, wire.FieldProgress, wire.FieldCancelRequested, wire.FieldRunAt, wire.FieldParked}

// look finds what nobody announced. Nobody watches most of the time, and then it asks nothing.
func (w *Watchers) check(ctx context.Context) {
	refs := w.unfinished()
	for len(refs) > 0 && ctx.Err() == nil {
		some := refs[:min(len(refs), recheckBatch)]
		refs = refs[len(some):]
		cmds := make([]*redis.SliceCmd, len(some))
		// An error of one command is looked at below.
		_, _ = w.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, r := range some {
				cmds[i] = p.HMGet(ctx, wire.TaskKey(r.Queue, r.ID), lookFields...)
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

// compare has a task read again if the values of its lookFields say that there is news. One that is gone may stay aside,
// see drop in lua/prelude.lua; it is given up when it is missed twice.
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

// overdue reports whether the task has expired and no worker is there to say so. Reading it does.
func (e *group) overdue(now time.Time) bool {
	waits := e.last.State == task.Pending || e.last.State == task.Scheduled
	return waits && !e.last.ExpiresAt.IsZero() && e.last.ExpiresAt.Before(now)
}
