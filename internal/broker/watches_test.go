package broker_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/task"
)

// follower hears what becomes of a task.
type follower struct {
	f    *workshop
	id   string
	news <-chan *task.Task
	last *task.Task
}

// follow follows a task by way of a client, until the test ends.
func (f *workshop) follow(c *queue.Client, id string) *follower {
	f.t.Helper()
	news, stop, err := c.Follow(f.t.Context(), id)
	if err != nil {
		f.t.Fatalf("follow %s: %v", id, err)
	}
	f.t.Cleanup(stop)
	return &follower{f: f, id: id, news: news}
}

// until waits for news of the wanted kind. What was in between is passed over.
func (o *follower) until(what string, ok func(*task.Task) bool) *task.Task {
	o.f.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case t, there := <-o.news:
			if !there {
				o.f.t.Fatalf("task %s is gone, and not %s", o.id, what)
			}
			if o.last = t; ok(t) {
				return t
			}
		case <-deadline:
			o.f.t.Fatalf("task %s was never heard to be %s; it was %+v", o.id, what, o.last)
		}
	}
}

func (o *follower) state(s task.State) *task.Task {
	o.f.t.Helper()
	return o.until(string(s), func(t *task.Task) bool { return t.State == s })
}

func (o *follower) gone() {
	o.f.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, there := <-o.news:
			if !there {
				return
			}
		case <-deadline:
			o.f.t.Fatalf("nobody heard that task %s is gone", o.id)
		}
	}
}

// announcedOnly keeps a client from looking for changes that nobody announced.
const announcedOnly = 24 * time.Hour

// Whatever changes a task announces it: those who follow hear of each change, and need not look for it.
func TestEveryChangeIsAnnounced(t *testing.T) {
	f := newFleet(t)
	f.client.Watchers().Every = announcedOnly
	step := make(chan float64)
	define(f, "steps", func(ctx context.Context, _ input) (task.None, error) {
		for percent := range step {
			task.Progress(ctx, percent, "step")
		}
		return task.None{}, nil
	})
	ctx := t.Context()

	t.Run("a run with progress", func(t *testing.T) {
		asked := f.enqueue(task.Request{Type: "steps"})
		o := f.follow(f.client, asked.ID)
		o.state(task.Pending)
		w := f.worker()
		if got := o.state(task.Running); got.Attempt != 1 || got.Worker != w.ID() {
			t.Errorf("attempt %d on %q", got.Attempt, got.Worker)
		}
		for _, percent := range []float64{10, 20, 30} {
			step <- percent
			o.until(fmt.Sprint("at ", percent), func(t *task.Task) bool { return t.Progress != nil && t.Progress.Percent == percent })
		}
		close(step)
		o.state(task.Succeeded)
		w.Stop()
	})
	t.Run("waiting for its time, a retry, and failing", func(t *testing.T) {
		asked := f.enqueue(task.Request{Type: "block", MaxRetries: ptr(1), Delay: ptr(300 * time.Millisecond)})
		o := f.follow(f.client, asked.ID)
		o.state(task.Scheduled)
		w := f.worker()
		o.state(task.Running)
		f.started().release <- task.RetryAfter(time.Hour, errors.New("later"))
		if got := o.state(task.Retrying); got.Error == nil || got.Error.Message != "later" {
			t.Errorf("%+v", got.Error)
		}
		w.Stop()
		_, err := f.client.Run(ctx, asked.ID)
		f.must(err)
		o.state(task.Pending)
		w = f.worker()
		o.until("in its second attempt", func(t *task.Task) bool { return t.State == task.Running && t.Attempt == 2 })
		f.started().release <- errors.New("no more")
		o.state(task.Failed)
		w.Stop()
		_, err = f.client.Retry(ctx, asked.ID)
		f.must(err)
		o.state(task.Pending)
		_, err = f.client.Cancel(ctx, asked.ID)
		f.must(err)
		o.state(task.Canceled)
	})
	t.Run("when its time has come", func(t *testing.T) {
		asked := f.enqueue(task.Request{Type: "echo", Delay: ptr(500 * time.Millisecond)})
		f.must(f.client.Pause(ctx, "default"))
		o := f.follow(f.client, asked.ID)
		w := f.worker()
		o.state(task.Pending)
		f.must(f.client.Resume(ctx, "default"))
		o.state(task.Succeeded)
		w.Stop()
	})
	t.Run("cancellation while it runs", func(t *testing.T) {
		asked := f.enqueue(task.Request{Type: "echo"})
		f.runNowhere(asked.ID) // no worker is there that would obey
		o := f.follow(f.client, asked.ID)
		_, err := f.client.Cancel(ctx, asked.ID)
		f.must(err)
		o.until("asked to cancel", func(t *task.Task) bool { return t.State == task.Running && t.CancelRequested })
	})
	t.Run("handing back", func(t *testing.T) {
		w := f.worker()
		asked := f.enqueue(task.Request{Type: "block"})
		o := f.follow(f.client, asked.ID)
		f.started()
		o.state(task.Running)
		w.Stop()
		o.state(task.Pending)
		f.must(f.client.Delete(ctx, asked.ID))
		o.gone()
	})
	t.Run("expiry", func(t *testing.T) {
		w := f.worker(func(cfg *worker.Config) { cfg.Queues = queues[:2] })
		f.must(f.client.Pause(ctx, "default"))
		asked := f.enqueue(task.Request{Type: "echo", ExpiresAt: time.Now().Add(100 * time.Millisecond), Retention: ptr(time.Duration(0))})
		o := f.follow(f.client, asked.ID)
		if got := o.state(task.Expired); got.FinishedAt.IsZero() {
			t.Error("it has no finished_at")
		}
		w.Stop()
	})
}

// runNowhere makes the only pending task of the default queue one whose worker has died.
func (f *workshop) runNowhere(id string) {
	f.t.Helper()
	f.must(f.rdb.LMove(f.t.Context(), "asynq:{default}:pending", "asynq:{default}:active", "right", "left").Err())
	f.must(f.rdb.HSet(f.t.Context(), "asynq:{default}:t:"+id, "state", "active", "bb:attempt", 1).Err())
}

// A task that its dead worker has left is heard to be pending again.
func TestRecoveryIsAnnounced(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.client.Watchers().Every = announcedOnly
	asked := f.enqueue(task.Request{Type: "block"})
	f.must(f.client.Pause(t.Context(), "default"))
	f.runNowhere(asked.ID)
	o := f.follow(f.client, asked.ID)
	o.state(task.Running)
	f.worker()
	o.state(task.Pending)
}

// What is over and dropped in one step is told all the same, with what is left of it nowhere else.
func TestDroppedTasksAreTold(t *testing.T) {
	f := newFleet(t)
	f.client.Watchers().Every = announcedOnly
	w := f.worker()
	none := ptr(time.Duration(0))
	follow := func(req task.Request) *follower {
		t.Helper()
		req.Retention = none
		return f.follow(f.client, f.enqueue(req).ID)
	}
	o := follow(task.Request{Type: "block"})
	f.started().release <- nil
	if got := o.state(task.Succeeded); string(got.Result) != `{"n":1}` || got.FinishedAt.IsZero() || got.Attempt != 1 || got.Worker != w.ID() ||
		got.StartedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	o = follow(task.Request{Type: "block", MaxRetries: ptr(0)})
	f.started().release <- errors.New("no luck")
	if got := o.state(task.Failed); got.Error == nil || got.Error.Message != "no luck" || got.Error.Kind != task.KindError || got.Attempt != 1 {
		t.Errorf("%+v", got)
	}
	o = follow(task.Request{Type: "echo", Delay: ptr(time.Hour)})
	_, err := f.client.Cancel(t.Context(), o.id)
	f.must(err)
	if got := o.state(task.Canceled); !got.CancelRequested || got.FinishedAt.IsZero() {
		t.Errorf("%+v", got)
	}
}

// Many enqueue and wait at once for tasks that leave nothing behind. They rely on nothing but what is announced.
func TestEnqueueAndWaitMissesNoEnd(t *testing.T) {
	f := newFleet(t)
	f.client.Watchers().Every = announcedOnly
	f.worker()
	results := make(chan error)
	const callers, each = 20, 25
	for range callers {
		go func() {
			for range each {
				asked := f.prepare(task.Request{Type: "echo", Retention: ptr(time.Duration(0))})
				got, err := f.client.EnqueueAndWait(t.Context(), asked, patience)
				if err == nil && (got.State != task.Succeeded || string(got.Result) != `{"n":1}` || got.Attempt != 1) {
					err = fmt.Errorf("%+v", got)
				}
				results <- err
			}
		}()
	}
	for range callers * each {
		f.must(<-results)
	}
	if n := f.client.Watchers().Len(); n > 0 {
		t.Errorf("%d tasks are still watched", n)
	}
}

func TestEnqueueAndWait(t *testing.T) {
	f := newFleet(t)
	f.client.Watchers().Every = announcedOnly
	// Not over in time, and not when the caller leaves: the task stays.
	got, err := f.client.EnqueueAndWait(t.Context(), f.prepare(task.Request{Type: "echo", ID: "a"}), time.Millisecond)
	if err != nil || got.State != task.Pending || got.ID != "a" {
		t.Errorf("%+v, %v", got, err)
	}
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		defer leave()
		for _, err := f.client.Get(ctx, "b"); err != nil && ctx.Err() == nil; _, err = f.client.Get(ctx, "b") {
			f.yield()
		}
	}()
	if got, err = f.client.EnqueueAndWait(ctx, f.prepare(task.Request{Type: "echo", ID: "b"}), patience); err != nil || got.State != task.Pending {
		t.Errorf("%+v, %v", got, err)
	}
	f.get("b")
	// Refused like any other.
	_, err = f.client.EnqueueAndWait(t.Context(), f.prepare(task.Request{Type: "echo", ID: "a", Queue: "low"}), patience)
	f.wantCode(err, task.CodeConflict)
	// Of every kind that enqueue.lua knows.
	f.worker()
	for name, req := range map[string]task.Request{
		"delayed": {Delay: ptr(50 * time.Millisecond)},
		"unique":  {UniqueFor: ptr(time.Minute)},
		"expires": {ExpiresAt: time.Now().Add(time.Hour)},
	} {
		req.Type = "echo"
		if got, err := f.client.EnqueueAndWait(t.Context(), f.prepare(req), patience); err != nil || got.State != task.Succeeded {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if n := f.client.Watchers().Len(); n > 0 {
		t.Errorf("%d tasks are still watched", n)
	}
}

// An id may be anything that an id may be, also what looks like a word between programs.
func TestStrangeIDs(t *testing.T) {
	f := newFleet(t)
	var tasks []*task.Task
	for _, id := range []string{"-", "+", "--", "0"} {
		tasks = append(tasks, f.prepare(task.Request{Type: "echo", ID: id, Delay: ptr(10 * time.Millisecond), Payload: []byte(`{"n":7}`)}))
	}
	for i, err := range f.client.EnqueueAll(t.Context(), tasks) {
		if err != nil {
			t.Errorf("%s: %v", tasks[i].ID, err)
		}
	}
	f.worker()
	for _, asked := range tasks {
		if got := f.wait(asked.ID); got.State != task.Succeeded || string(got.Result) != `{"n":7}` {
			t.Errorf("%s: %+v", asked.ID, got)
		}
	}
}

// A task may change, and end, between any two steps that a follower takes to hear of it.
func TestFollowMissesNoChange(t *testing.T) {
	f := newFleet(t)
	f.client.Watchers().Every = announcedOnly
	f.worker()
	for range 500 {
		news, stop, err := f.client.Follow(t.Context(), f.enqueue(task.Request{Type: "echo"}).ID)
		f.must(err)
		(&follower{f: f, news: news}).state(task.Succeeded)
		stop()
	}
}

// The state in which a task is found counts, not what was announced before.
func TestFollowWhatIsOver(t *testing.T) {
	f := newFleet(t)
	f.worker()
	done := f.wait(f.enqueue(task.Request{Type: "echo"}).ID)
	if got := f.follow(f.client, done.ID).state(task.Succeeded); string(got.Result) != string(done.Result) {
		t.Errorf("%s", got.Result)
	}
	_, _, err := f.client.Follow(t.Context(), "nobody")
	f.wantCode(err, task.CodeNotFound)
}

// Nobody announces what stock servers and tools do, nor that a task has expired where no worker is. It is found all the
// same.
func TestWhatNobodyAnnouncesIsFound(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	expiring := f.follow(f.client, f.enqueue(task.Request{Type: "echo", ExpiresAt: time.Now().Add(100 * time.Millisecond), Queue: "low"}).ID)
	expiring.state(task.Expired)

	deleted := f.follow(f.client, f.enqueue(task.Request{Type: "echo", Delay: ptr(time.Hour)}).ID)
	f.must(f.stockInspector().DeleteTask("default", deleted.id))
	deleted.gone()

	run := f.follow(f.client, f.enqueue(task.Request{Type: "echo"}).ID)
	release := make(chan struct{})
	stock := asynq.NewServer(f.stock(), asynq.Config{Queues: map[string]int{"default": 1}, LogLevel: asynq.FatalLevel})
	f.must(stock.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { <-release; return nil })))
	t.Cleanup(stock.Shutdown)
	run.state(task.Running)
	close(release)
	run.state(task.Succeeded)
}

// Redis is killed and comes back: the stream goes on, and what has happened since is heard.
func TestFollowingOutlivesRedis(t *testing.T) {
	f := newFleetAOF(t)
	f.client.Watchers().Every = announcedOnly
	f.worker()
	o := f.follow(f.client, f.enqueue(task.Request{Type: "block"}).ID)
	r := f.started()
	o.state(task.Running)
	f.redis.Kill()
	r.release <- nil
	f.redis.Restart()
	o.state(task.Succeeded)
}

// A task that is gone with the data of Redis is gone for those who follow it too.
func TestRedisThatForgets(t *testing.T) {
	f := newFleet(t)
	o := f.follow(f.client, f.enqueue(task.Request{Type: "echo", Delay: ptr(time.Hour)}).ID)
	f.redis.Kill()
	f.redis.Restart()
	o.gone()
}

// Who follows costs a place in a map and no goroutine; who does not read keeps nobody else from it, and finds the newest.
func TestManyFollowers(t *testing.T) {
	f := newFleet(t)
	f.client.Watchers().Every = announcedOnly
	const n = 2000
	asked := f.enqueue(task.Request{Type: "block"})
	first := f.follow(f.client, asked.ID)
	before := runtime.NumGoroutine()
	var all []*follower
	var stops []func()
	for range n {
		news, stop, err := f.client.Follow(t.Context(), asked.ID)
		f.must(err)
		all, stops = append(all, &follower{f: f, id: asked.ID, news: news}), append(stops, stop)
	}
	if grown := runtime.NumGoroutine() - before; grown > n/10 {
		t.Errorf("%d goroutines more for %d followers", grown, n)
	}
	f.worker()
	r := f.started()
	first.state(task.Running)
	r.release <- nil
	first.state(task.Succeeded)
	if f.client.Watchers().Len() != 1 { // which waits until all have been told
		t.Errorf("%d tasks are watched, want the one", f.client.Watchers().Len())
	}
	for _, o := range all {
		if got := <-o.news; got.State != task.Succeeded {
			t.Errorf("who reads late gets %s, and not the newest", got.State)
		}
	}
	for _, stop := range stops {
		stop()
	}
	other := f.follow(f.client, f.enqueue(task.Request{Type: "echo"}).ID)
	other.state(task.Succeeded)
	if f.client.Watchers().Len() != 2 {
		t.Errorf("%d tasks are watched, want the two", f.client.Watchers().Len())
	}
}

// A handler that reports as fast as it can is stored and announced a few times a second.
func TestFastProgressIsCoalesced(t *testing.T) {
	f := newFleet(t)
	var reports atomic.Int64
	define(f, "hasty", func(ctx context.Context, _ input) (task.None, error) {
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			task.Progress(ctx, float64(reports.Add(1)%100), "hurry")
		}
		return task.None{}, nil
	})
	announced := f.rdb.Subscribe(t.Context(), "backbeat:watched")
	defer announced.Close()
	_, err := announced.Receive(t.Context())
	f.must(err)
	asked := f.enqueue(task.Request{Type: "hasty"})
	o := f.follow(f.client, asked.ID)
	f.worker()
	o.state(task.Succeeded)
	n := 0
	for m := range announced.Channel() {
		if !strings.Contains(m.Payload, asked.ID) {
			continue // the other nodes of a cluster may still have passed on some of the test before
		}
		n++
		if strings.Contains(m.Payload, string(task.Succeeded)) {
			break
		}
	}
	if n > 15 || n < 2 { // its start, some ten reports in the second at most, its end
		t.Errorf("%d announcements of %d reports", n, reports.Load())
	}
}

// Reports of a handler go on their way beside it, however long Redis takes.
func TestProgressDoesNotWaitForRedis(t *testing.T) {
	f := newFleet(t)
	reported, release := make(chan struct{}), make(chan struct{})
	started := make(chan struct{})
	define(f, "reports", func(ctx context.Context, _ input) (task.None, error) {
		close(started)
		<-release
		for i := range 1000 {
			task.Progress(ctx, float64(i)/10, "on")
		}
		close(reported)
		return task.None{}, nil
	})
	// A call that is not answered takes far longer than the test has patience.
	rdb := redis.NewClient(&redis.Options{Addr: f.redis.Addr(), MaxRetries: -1, ReadTimeout: 10 * patience})
	t.Cleanup(func() { rdb.Close() })
	f.startOn(rdb)
	asked := f.enqueue(task.Request{Type: "reports"})
	<-started
	f.redis.Freeze()
	close(release)
	select {
	case <-reported:
	case <-time.After(patience):
		t.Error("a handler waits until its progress is stored")
	}
	f.redis.Thaw()
	if got := f.wait(asked.ID); got.Progress == nil || got.Progress.Percent != 99.9 {
		t.Errorf("%+v", got.Progress)
	}
}

// What becomes of tasks that nobody watches is announced to nobody.
func TestUnwatchedTasksAreNotAnnounced(t *testing.T) {
	f := newFleet(t)
	w := f.worker()
	asked := f.enqueue(task.Request{Type: "fail"})
	f.waitState(asked.ID, task.Failed)
	w.Stop()
	stats := f.redis.Client(t).Info(t.Context(), "commandstats").Val()
	for line := range strings.Lines(stats) {
		if !strings.HasPrefix(line, "cmdstat_publish:") {
			continue
		}
		var calls int
		if _, err := fmt.Sscanf(line, "cmdstat_publish:calls=%d,", &calls); err != nil || calls > 3 {
			t.Errorf("%s", line) // that the queue has a task, and that one is due, and again that the queue has one
		}
	}
}
