package watch

import (
	"context"
	"encoding/json"
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
	// recheckInterval is the default of Watchers.Every.
	recheckInterval = 2 * time.Second
	// recheckBatch is how many tasks one round trip checks for changes.
	recheckBatch = 500
	// rereadBatch is how many tasks one round trip reads whole, with payload and result.
	rereadBatch = 64
)

// announcement is the message that scripts publish when a watched task changes or ends.
type announcement struct {
	Queue string     `json:"queue"` // the own prefix of the queue, see wire.OwnPrefix
	ID    string     `json:"id"`
	State task.State `json:"state"` // "" for a change; a final state or "deleted" for an end
}

// Watchers holds the watchers of tasks in one process. One subscription serves them all. One loop reads the tasks that were
// announced as changed, once for all watchers of a task; announcements that arrive during a read make the next batch. So a
// task that changes faster is read less often, and a slow watcher delays no other. It is safe for concurrent use.
type Watchers struct {
	rdb  redis.UniversalClient
	read func(ctx context.Context, refs []wire.Ref) ([]*wire.Record, error)
	// Every is the interval between checks for changes that were not announced, as those of stock servers. Default: 2 s.
	// Set it before the first Add.
	Every time.Duration
	begin sync.Once
	now   func() time.Time   // of Redis
	stop  context.CancelFunc // nil until the loops run
	loops sync.WaitGroup

	subscribed     chan struct{} // closed when the first subscription is confirmed
	subscribedOnce sync.Once

	mu       sync.Mutex
	byTask   map[wire.Ref]*group
	unread   map[wire.Ref]bool // tasks to read; true if the end of the task was announced
	readSoon notifier.Notifier
}

// Watcher watches one task.
type Watcher struct {
	wire.Ref
	Wants   Interest
	Updates chan *task.Task // has a buffer of one, for the newest state; closed when the task is gone
}

// Interest is which updates a watcher receives. The values are those of the mark in the task's hash, see lua/prelude.lua.
type Interest string

const (
	// End is the end of the task only.
	End Interest = "1"
	// Changes is the current state at first, every change, and the end.
	Changes Interest = "2"
)

// New returns Watchers without a watcher. read returns the records of tasks in order, nil for a task that is gone; now returns
// the time of Redis. The loops start with the first Add; Close ends them.
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

// Close ends the loops and waits for them. Channels of remaining watchers stay open.
func (w *Watchers) Close() {
	w.begin.Do(func() {}) // a later Add does not start the loops
	if w.stop != nil {
		w.stop()
		w.loops.Wait()
	}
}

// Add registers a watcher of the task r, of which t is the current state; a watcher of Changes receives t first. The first
// call starts the loops. Remove the watcher after use.
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

// AwaitSubscription waits until announcements are received for the first time, for 2 s at most, or until ctx ends. Callers
// notice from their own commands that Redis is unavailable.
func (w *Watchers) AwaitSubscription(ctx context.Context) {
	timer := time.NewTimer(recheckInterval)
	defer timer.Stop()
	select {
	case <-w.subscribed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Remove removes a watcher. Its channel is not closed.
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

// listen receives announcements. Those published while there was no connection are lost, so each new connection checks all
// tasks.
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

// received schedules a read of the announced task. The end of a task replaces an earlier announcement.
func (w *Watchers) received(n *announcement) {
	r := wire.Ref{Queue: wire.QueueOfOwnPrefix(n.Queue), ID: n.ID}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byTask[r] == nil {
		return // only other processes watch it
	}
	w.unread[r] = w.unread[r] || n.State != ""
	w.scheduleRead(r)
}

// Reread schedules a read of a task.
func (w *Watchers) Reread(r wire.Ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scheduleRead(r)
}

// scheduleRead wakes the loop that reads. The caller holds the lock.
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

// take returns the next tasks to read, all of one queue, because in a cluster each queue can be unavailable by itself.
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
		pause.For(ctx, 100*time.Millisecond) // Redis is unavailable
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

// unreadAgain schedules another read of tasks that could not be read, and keeps newer announcements.
func (w *Watchers) unreadAgain(batch map[wire.Ref]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r, end := range batch {
		w.unread[r] = w.unread[r] || end
		w.scheduleRead(r)
	}
}

// notify passes a task to its watchers: nil if the read found none. ended: its end was announced.
func (w *Watchers) notify(r wire.Ref, t *task.Task, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.byTask[r]
	switch {
	case e == nil: // its last watcher was removed
	case t != nil:
		e.send(t)
	case ended: // deleted, or dropped so long ago that its outcome is gone
		w.drop(r)
	default: // the announcement of its end is still to come; if it was lost, compare drops the task
	}
}

// drop closes the channels of the watchers of a task that is gone. The caller holds the lock.
func (w *Watchers) drop(r wire.Ref) {
	for one := range w.byTask[r].watchers {
		close(one.Updates)
	}
	delete(w.byTask, r)
}
