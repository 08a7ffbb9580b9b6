package intercept

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/backbeat-go/backbeat/internal/broker/clock"
	"github.com/backbeat-go/backbeat/internal/broker/meter"
	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/recovery"
	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// Whatever workers and callers do, and in which order, and whoever dies of it: no task is lost, none runs twice while
// its worker lives, none ends twice, each end that has a callback promises it once, and what asynq's tools see is in
// order after each step.
func TestEveryInterleavingKeepsEachTask(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rdb)
		length := rapid.IntRange(1, 150).Draw(t, "length")
		for _, a := range rapid.SliceOfN(rapid.SampledFrom(w.actions()), length, length).Draw(t, "actions") {
			t.Log(a.name)
			a.do()
			w.checkBooks()
		}
		w.drain()
	})
}

var propertyQueues = []fleet.Queue{{Name: "a", Weight: 3}, {Name: "b", Weight: 1}}

var (
	everyEnd     = &task.Callback{URL: "https://example.com", Events: []task.State{task.Succeeded, task.Failed, task.Canceled, task.Expired}}
	onlyFailures = &task.Callback{URL: "https://example.com", Events: []task.State{task.Failed}}
)

// world is some workers on one Redis, and what must be true of every task. Its workers are the interceptor with all
// behind it, and the recovery; the world takes the place of asynq and of the clock, so that a step takes no time.
type world struct {
	t       *rapid.T
	rdb     *redis.Client
	client  *queue.Client
	workers []*crew
	tasks   map[string]*expected
	order   []string
	known   map[*Attempt]bool
	paused  map[string]bool
	// processed and failed are asynq's totals.
	processed, failed map[string]int
	// ahead is by how much time has passed more than it seems.
	ahead time.Duration
}

// crew is a worker.
type crew struct {
	*Interceptor
	id          string
	concurrency int
	running     []*Attempt
	// stopped workers do nothing; dead ones will never do anything again.
	stopped, dead bool
	// slow workers have a clock that is minutes late.
	slow bool
}

// expected is how a task must be.
type expected struct {
	asked     *task.Task
	queue     string
	retention time.Duration
	expires   bool
	retries   int
	callback  *task.Callback

	place   place
	outcome task.State // of one that is over
	newest  *Attempt   // of one that is active; nil if the answer to the fetch was lost
	worker  *crew      // that took it; nil if the answer was lost
	begun   int
	crashes int
	retried int
	cancel  bool
}

type place int

const (
	waiting place = iota // in the queue
	active               // taken by a worker, which may not have begun with it
	delayed              // until its next try
	over
)

type action struct {
	name string
	do   func()
}

func (a action) String() string { return a.name }

func newWorld(t *rapid.T, rdb *redis.Client) *world {
	w := &world{
		t: t, rdb: rdb, client: queue.NewClient(rdb, propertyQueues), tasks: make(map[string]*expected), known: make(map[*Attempt]bool),
		paused: make(map[string]bool), processed: make(map[string]int), failed: make(map[string]int),
	}
	t.Cleanup(w.client.Close)
	w.must(rdb.FlushDB(t.Context()).Err())
	w.hire()
	w.enqueue()
	return w
}

// actions are what may happen; what happens often stands there more than once.
func (w *world) actions() []action {
	return []action{
		{"enqueue", w.enqueue}, {"enqueue", w.enqueue},
		{"enqueue again", w.enqueueAgain},
		{"begin", w.begin}, {"begin", w.begin}, {"begin", w.begin}, {"begin", w.begin},
		{"finish", w.finish}, {"finish", w.finish},
		{"finish twice", w.finishTwice},
		{"cancel", w.cancel},
		{"cancel many", w.cancelMany},
		{"pause or resume", w.pauseOrResume},
		{"forward", w.forward},
		{"lose the answer to a fetch", w.loseFetch},
		{"give back what is stale", w.giveBackStale},
		{"hire", w.hire},
		{"shut down", w.shutDown},
		{"crash", w.crash},
		{"stop", w.stop},
		{"wake", w.wake},
		{"recover", w.recover},
		{"be taken for dead", w.beTakenForDead},
	}
}

// enqueue enqueues some tasks.
func (w *world) enqueue() {
	for range rapid.IntRange(1, 6).Draw(w.t, "tasks") {
		id := fmt.Sprintf("t%d", len(w.order))
		e := &expected{
			queue:     w.drawQueue(),
			retention: rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(w.t, "retention"),
			expires:   rapid.Bool().Draw(w.t, "expires"),
			retries:   rapid.IntRange(0, 2).Draw(w.t, "retries"),
			callback:  rapid.SampledFrom([]*task.Callback{nil, everyEnd, onlyFailures}).Draw(w.t, "callback"),
		}
		asked := &task.Task{
			ID: id, Type: "any", Queue: e.queue, State: task.Pending, Retention: e.retention, MaxRetries: e.retries,
			Timeout: time.Minute, CreatedAt: time.Now(), Callback: e.callback,
		}
		if e.expires {
			asked.ExpiresAt = time.Now().Add(24 * time.Hour)
		}
		w.must(w.client.Enqueue(w.t.Context(), asked))
		e.asked = asked
		w.tasks[id], w.order = e, append(w.order, id)
	}
}

// enqueueAgain sends a task once more, as a client does that did not hear the answer.
func (w *world) enqueueAgain() {
	e := w.tasks[rapid.SampledFrom(w.order).Draw(w.t, "task")]
	if e.gone() {
		return // nobody can know then
	}
	before := w.dump()
	w.must(w.client.Enqueue(w.t.Context(), e.asked))
	w.wantUnchanged(before)
}

// hire starts a worker, unless there are many.
func (w *world) hire() {
	if len(w.workers) >= 4 {
		return
	}
	c := &crew{
		id:          fmt.Sprintf("w%d", len(w.workers)),
		concurrency: rapid.IntRange(1, 12).Draw(w.t, "concurrency"),
		slow:        rapid.Bool().Draw(w.t, "slow clock"),
	}
	c.Interceptor = New(w.rdb, Config{
		Server: &wire.ServerInfo{Host: c.id}, Clock: clock.New(w.rdb), Queues: propertyQueues,
		Knows:       func(name string) bool { return name == "any" },
		Refused:     func(err error) { w.t.Error(err) },
		Concurrency: c.concurrency, Logger: slog.New(slog.DiscardHandler), Meter: meter.None{},
	})
	w.t.Cleanup(func() {
		if !c.dead {
			c.acks.stop()
		}
	})
	w.workers = append(w.workers, c)
}

// begin lets a worker ask for a task, as asynq does when a slot is free.
func (w *world) begin() {
	c := w.drawWorker()
	if c == nil || len(c.running) >= c.concurrency {
		return
	}
	w.beginOn(c, w.drawQueue())
}

func (w *world) beginOn(c *crew, queue string) {
	c.prefetch.wake("") // else it would wait for a word
	cmd := c.EvalSha(w.t.Context(), "", []string{wire.PendingKey(queue), wire.PausedKey(queue), wire.ActiveKey(queue), wire.LeaseKey(queue)})
	c.prefetch.calls.Wait()
	var begun *Attempt
	if msg, err := cmd.Text(); err == nil {
		m, err := wire.DecodeMessage([]byte(msg))
		w.must(err)
		begun = c.Attempt(wire.Ref{Queue: queue, ID: m.ID})
		if c.runs(m.ID) {
			w.t.Fatalf("%s runs %s twice at once", c.id, m.ID)
		}
		c.running = append(c.running, begun)
	} else if !errors.Is(err, redis.Nil) {
		w.t.Fatal(err)
	}
	for _, a := range c.holds() {
		w.adopt(c, a)
	}
	if begun != nil {
		w.adopt(c, begun)
	}
	w.settleCanceled()
}

// holds are the attempts that the worker has fetched and not begun.
func (c *crew) holds() []*Attempt {
	var all []*Attempt
	for _, s := range c.prefetch.order {
		all = append(all, s.held...)
	}
	return append(all, c.prefetch.duplicates...)
}

func (w *world) adopt(c *crew, a *Attempt) {
	if w.known[a] {
		return
	}
	w.known[a] = true
	e := w.tasks[a.ID]
	if e.place != waiting || w.paused[e.queue] || e.cancel {
		w.t.Fatalf("%s took %s, which was no task to take: %+v", c.id, a.ID, e)
	}
	e.place, e.newest, e.worker = active, a, c
	e.begun++
	if a.Number != e.begun || a.crashes != e.crashes {
		w.t.Fatalf("%s took attempt %d of %s after %d crashes, want attempt %d after %d", c.id, a.Number, a.ID, a.crashes, e.begun, e.crashes)
	}
}

// settleCanceled notes the ends of tasks that were canceled before their worker was lost: a fetch ends them instead of
// handing them out.
func (w *world) settleCanceled() {
	for id, e := range w.tasks {
		if e.place == waiting && e.cancel && w.rdb.HGet(w.t.Context(), wire.TaskKey(e.queue, id), wire.FieldState).Val() != "pending" {
			e.place, e.outcome = over, task.Canceled
		}
	}
}

// finish ends some attempts of a worker at the same time.
func (w *world) finish() {
	if c := w.drawWorker(); c != nil && len(c.running) > 0 {
		n := rapid.IntRange(1, len(c.running)).Draw(w.t, "ends")
		w.end(c, n, func(*Attempt) string { return w.drawEnd() })
	}
}

func (w *world) drawEnd() string {
	return rapid.SampledFrom([]string{"succeed", "succeed", "retry", "fail", "requeue"}).Draw(w.t, "end")
}

// end ends the first n attempts that a worker runs, and tells the interceptor as asynq does.
func (w *world) end(c *crew, n int, how func(*Attempt) string) {
	ending := c.running[:n]
	c.running = slices.Clone(c.running[n:])
	keys, stale := make([][]string, n), n > 0
	for i, a := range ending {
		keys[i] = w.endAs(a, how(a))
		if w.valid(a) {
			stale = false
			w.expectEnd(a)
		}
	}
	if stale {
		defer w.wantUnchanged(w.dump())
	}
	var acks sync.WaitGroup
	for i, a := range ending {
		acks.Go(func() {
			if err := c.EvalSha(context.Background(), "", keys[i], a.ID).Err(); err != nil {
				w.t.Errorf("%s has not ended: %v", a.ID, err)
			}
		})
	}
	acks.Wait()
}

// wantUnchanged checks that Redis holds what it held before something that was late, or had been done already.
func (w *world) wantUnchanged(before map[string]string) {
	w.t.Helper()
	if diff := cmp.Diff(before, w.dump()); diff != "" {
		w.t.Fatalf("what came late changed something:\n%s", diff)
	}
}

// endAs ends an attempt as a handler does, and returns the keys of the script that asynq calls then.
func (w *world) endAs(a *Attempt, how string) []string {
	q, ctx := a.Queue, context.Background()
	active, lease, key, processed := wire.ActiveKey(q), wire.LeaseKey(q), wire.TaskKey(q, a.ID), wire.ProcessedKey(q)
	switch how {
	case "succeed":
		a.Succeed([]byte(`{"n":1}`))
		return []string{active, lease, wire.CompletedKey(q), key, processed + ":2026-01-01", processed}
	case "retry":
		a.Fail(ctx, errors.New("no luck"), time.Hour)
	case "fail":
		a.Fail(ctx, task.Permanent(errors.New("no use")), 0)
	default:
		// asynq has run out of time, and the handler has not ended; the interceptor notes the end.
		return []string{active, lease, wire.PendingKey(q), key}
	}
	failed := wire.FailedTotalKey(q)
	counters := []string{processed + ":2026-01-01", failed + ":2026-01-01", processed, failed}
	if a.outcome == task.Retrying {
		return append([]string{key, active, lease, wire.RetryKey(q)}, counters...)
	}
	return append([]string{key, active, lease, wire.ArchivedKey(q)}, append(counters, wire.TaskKey(q, ""))...)
}

// valid reports whether an attempt is the newest of its task, which nobody has taken from its worker.
func (w *world) valid(a *Attempt) bool {
	e := w.tasks[a.ID]
	return e.place == active && e.newest == a
}

// expectEnd notes what the end of a valid attempt makes of its task.
func (w *world) expectEnd(a *Attempt) {
	e := w.tasks[a.ID]
	switch {
	case e.cancel:
		if a.outcome == task.Retrying {
			e.retried++ // the worker had not heard of it
		}
		w.expectOver(e, task.Canceled)
	case !a.ended:
		e.place = waiting // requeued
	case a.outcome == task.Succeeded:
		w.expectOver(e, task.Succeeded)
	case a.outcome == task.Retrying && e.retried < e.retries:
		e.place = delayed
		e.retried++
		w.processed[e.queue]++
		w.failed[e.queue]++
	default:
		w.expectOver(e, task.Failed)
	}
}

func (w *world) expectOver(e *expected, outcome task.State) {
	e.place, e.outcome = over, outcome
	w.processed[e.queue]++
	if outcome == task.Failed {
		w.failed[e.queue]++
	}
}

// finishTwice ends an attempt, and writes the end once more, as an acker does that did not hear the answer.
func (w *world) finishTwice() {
	c := w.drawWorker()
	if c == nil || len(c.running) == 0 {
		return
	}
	a := c.running[0]
	w.end(c, 1, func(*Attempt) string { return w.drawEnd() })
	before := w.dump()
	w.must(c.acks.write(a))
	w.wantUnchanged(before)
}

func (w *world) cancel() {
	live := slices.DeleteFunc(slices.Clone(w.order), func(id string) bool { return w.tasks[id].place == over })
	if len(live) == 0 {
		return
	}
	id := rapid.SampledFrom(live).Draw(w.t, "task")
	e := w.tasks[id]
	if _, err := w.client.Cancel(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
	e.cancel = true
	if e.place != active {
		e.place, e.outcome = over, task.Canceled
	}
}

func (w *world) cancelMany() {
	q, want := w.drawQueue(), 0
	for _, e := range w.tasks {
		if e.queue != q || e.place == over || e.place == active && e.cancel {
			continue
		}
		want++
		e.cancel = true
		if e.place != active {
			e.place, e.outcome = over, task.Canceled
		}
	}
	got, err := w.client.Bulk(w.t.Context(), fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Queues: []string{q}}})
	w.must(err)
	if got != (fleet.BulkResult{Matched: want, Changed: want}) {
		w.t.Fatalf("%+v of %d tasks", got, want)
	}
}

func (w *world) pauseOrResume() {
	q := w.drawQueue()
	if w.paused[q] = !w.paused[q]; w.paused[q] {
		w.must(w.client.Pause(w.t.Context(), q))
	} else {
		w.must(w.client.Resume(w.t.Context(), q))
	}
}

// forward lets the time of all retries come.
func (w *world) forward() {
	for _, q := range propertyQueues {
		due, err := w.rdb.ZRange(w.t.Context(), wire.DueKey(q.Name), 0, -1).Result()
		w.must(err)
		for _, id := range due {
			w.must(w.rdb.ZAdd(w.t.Context(), wire.DueKey(q.Name), redis.Z{Score: 1, Member: id}).Err())
		}
		_, err = script.Forward(w.t.Context(), w.rdb, q.Name)
		w.must(err)
	}
	for _, e := range w.tasks {
		if e.place == delayed {
			e.place = waiting
		}
	}
}

// loseFetch takes a task for nobody.
func (w *world) loseFetch() {
	q := w.drawQueue()
	reply := script.FetchAll(w.t.Context(), w.rdb, []script.Fetch{{Queue: q, Worker: "lost", MaxTasks: 1, MaxBytes: fetchBytes}})[0]
	w.must(reply.Err)
	for _, t := range reply.Tasks {
		e := w.tasks[t.ID]
		e.place, e.newest, e.worker = active, nil, nil
		e.begun++
	}
	w.settleCanceled()
}

func (w *world) giveBackStale() {
	if c := w.drawWorker(); c != nil {
		w.giveBackOf(c)
	}
}

// giveBackOf lets what the worker holds wait for too long.
func (w *world) giveBackOf(c *crew) {
	held := c.holds()
	for _, a := range held {
		a.fetchedAt = time.Now().Add(-2 * duplicateFor)
	}
	w.expectUnstarted(held)
	c.prefetch.requeueStale()
}

func (w *world) expectUnstarted(held []*Attempt) {
	for _, a := range held {
		if !w.valid(a) {
			continue
		}
		e := w.tasks[a.ID]
		if e.cancel {
			w.expectOver(e, task.Canceled)
			continue
		}
		e.place = waiting
		e.begun--
	}
}

// shutDown stops a worker as Server.Stop does: some of its tasks end in time, the others are handed back.
func (w *world) shutDown() {
	c := w.drawWorker()
	if c == nil {
		return
	}
	close(c.prefetch.quit)
	held := c.holds()
	w.expectUnstarted(held)
	c.prefetch.close()
	w.end(c, rapid.IntRange(0, len(c.running)).Draw(w.t, "in time"), func(*Attempt) string { return w.drawEnd() })
	w.end(c, len(c.running), func(*Attempt) string { return "requeue" })
	w.bury(c)
	for id, e := range w.tasks {
		if e.place == active && e.worker == c {
			w.t.Fatalf("%s has stopped and kept %s", c.id, id)
		}
	}
}

// crash ends a worker without a word.
func (w *world) crash() {
	if len(w.workers) > 0 {
		w.bury(rapid.SampledFrom(w.workers).Draw(w.t, "worker"))
	}
}

func (w *world) bury(c *crew) {
	c.dead = true
	c.acks.stop()
	w.workers = slices.DeleteFunc(w.workers, func(other *crew) bool { return other == c })
}

func (w *world) stop() {
	if c := w.drawWorker(); c != nil {
		c.stopped = true
	}
}

// wake lets all workers go on that were stopped. If that was for long, asynq gives up what they ran.
func (w *world) wake() {
	for _, c := range w.workers {
		if c.stopped && rapid.Bool().Draw(w.t, "for long") {
			w.loseLeases(c)
		}
		c.stopped = false
	}
}

func (w *world) loseLeases(c *crew) {
	for _, a := range c.running {
		a.Fail(context.Background(), context.DeadlineExceeded, 0)
		a.endedAt = time.Now().Add(-recovery.LeaseDuration)
		if e := w.tasks[a.ID]; w.valid(a) {
			e.worker = nil // nobody speaks for it
		}
	}
	c.running = nil
}

// recover lets so much time pass that a worker which is alive finds all tasks of those that are not.
func (w *world) recover() {
	var alive []*crew
	for _, c := range w.workers {
		if !c.stopped {
			w.giveBackOf(c)
			alive = append(alive, c)
		}
	}
	if len(alive) == 0 {
		return
	}
	by := rapid.SampledFrom(alive).Draw(w.t, "finder")
	w.ahead += 2 * recovery.LeaseDuration
	now := time.Now().Add(w.ahead)
	watch := make(map[string]recovery.LeaseWatch)
	w.look(by, alive, watch, now)
	dead := w.look(by, alive, watch, now.Add(recovery.Silence))
	if late := w.wakeOne(); late != nil {
		alive = append(alive, late)
		w.extend(late, now.Add(recovery.Silence))
	}
	for _, q := range propertyQueues {
		done, err := recovery.New(w.rdb, by.clock.Ahead).Restore(w.t.Context(), q.Name, dead[q.Name])
		w.must(err)
		for _, one := range done.Crashed {
			w.must(by.FinishCrashed(NewCrashed(q.Name, one.ID, one.Message, one.Attempt, "its worker died")))
		}
	}
	for id, e := range w.tasks {
		if e.place == active && !slices.ContainsFunc(alive, func(c *crew) bool { return c.runs(id) }) {
			w.expectRecovered(e)
		}
	}
}

// runs reports whether the worker runs the task. It extends its lease then, even if its attempt is not the newest.
func (c *crew) runs(id string) bool {
	return slices.ContainsFunc(c.running, func(a *Attempt) bool { return a.ID == id })
}

// beTakenForDead stops a worker until others have its tasks put back, and lets it ask for more then.
func (w *world) beTakenForDead() {
	c := w.drawWorker()
	if c == nil {
		return
	}
	c.stopped = true
	w.recover()
	c.stopped = false
	for _, q := range propertyQueues {
		if len(c.running) < c.concurrency {
			w.beginOn(c, q.Name)
		}
	}
}

// look looks at all leases once, after those who are alive have extended theirs.
func (w *world) look(by *crew, alive []*crew, watch map[string]recovery.LeaseWatch, now time.Time) map[string][]script.DeadLease {
	for _, c := range alive {
		w.extend(c, now)
	}
	dead := make(map[string][]script.DeadLease)
	for _, q := range propertyQueues {
		var err error
		if watch[q.Name] == nil {
			watch[q.Name] = make(recovery.LeaseWatch)
		}
		dead[q.Name], err = recovery.New(w.rdb, by.clock.Ahead).FindDead(w.t.Context(), q.Name, watch[q.Name], now)
		w.must(err)
	}
	return dead
}

// extend extends the leases of what a worker runs, as asynq's heartbeat does.
func (w *world) extend(c *crew, now time.Time) {
	if c.slow {
		now = now.Add(-time.Hour)
	}
	for _, a := range c.running {
		c.ZAddXX(w.t.Context(), wire.LeaseKey(a.Queue), redis.Z{Member: a.ID, Score: float64(now.Add(recovery.LeaseDuration).Unix())})
	}
	c.extends.Wait()
}

// wakeOne wakes a worker that is stopped, perhaps: between the moment in which others take it for dead and that in which
// they act on it.
func (w *world) wakeOne() *crew {
	for _, c := range w.workers {
		if c.stopped && rapid.Bool().Draw(w.t, "just in time") {
			c.stopped = false
			return c
		}
	}
	return nil
}

func (w *world) expectRecovered(e *expected) {
	e.crashes++
	switch {
	case e.crashes < recovery.MaxCrashes:
		e.place = waiting
	case e.cancel:
		w.expectOver(e, task.Canceled)
	default:
		w.expectOver(e, task.Failed)
	}
}

// drain lets everything come to its end, on a worker of its own.
func (w *world) drain() {
	for _, c := range w.workers {
		c.stopped = false
	}
	for len(w.workers) > 0 {
		w.shutDownFirst()
	}
	for _, q := range propertyQueues {
		if w.paused[q.Name] {
			w.paused[q.Name] = false
			w.must(w.client.Resume(w.t.Context(), q.Name))
		}
	}
	w.hire()
	w.recover()
	last := w.workers[0]
	for range 10 * len(w.order) {
		if w.allOver() {
			break
		}
		w.forward()
		for _, q := range propertyQueues {
			w.beginOn(last, q.Name)
			w.end(last, len(last.running), func(*Attempt) string { return "succeed" })
		}
	}
	w.checkBooks()
	for id, e := range w.tasks {
		if e.place != over {
			w.t.Errorf("%s never ended: %+v", id, e)
		}
	}
}

func (w *world) allOver() bool {
	for _, e := range w.tasks {
		if e.place != over {
			return false
		}
	}
	return true
}

func (w *world) shutDownFirst() {
	c := w.workers[0]
	close(c.prefetch.quit)
	w.expectUnstarted(c.holds())
	c.prefetch.close()
	w.end(c, len(c.running), func(*Attempt) string { return "requeue" })
	w.bury(c)
}

func (w *world) drawQueue() string {
	return rapid.SampledFrom(propertyQueues).Draw(w.t, "queue").Name
}

// drawWorker returns a worker that is not stopped; nil if there is none.
func (w *world) drawWorker() *crew {
	var able []*crew
	for _, c := range w.workers {
		if !c.stopped {
			able = append(able, c)
		}
	}
	if len(able) == 0 {
		return nil
	}
	return able[rapid.IntRange(0, len(able)-1).Draw(w.t, "worker")]
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}
