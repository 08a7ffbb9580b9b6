package broker_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// statOf returns a number of INFO: of a section, behind the text.
func statOf(t *testing.T, rdb redis.UniversalClient, section, text string) int {
	t.Helper()
	info, err := rdb.Info(t.Context(), section).Result()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(info, text)
	var n int
	if _, err := fmt.Sscan(rest, &n); found && err != nil {
		t.Fatal(err)
	}
	return n
}

// callsOf returns how often Redis has carried out a command, inside scripts too.
func callsOf(t *testing.T, rdb redis.UniversalClient, command string) int {
	t.Helper()
	return statOf(t, rdb, "commandstats", "cmdstat_"+command+":calls=")
}

// Idle workers cost few commands, however many queues there are, and with results that are kept.
func TestIdleWorkerCostsLittle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ queues, most int }{{3, 15}, {100, 100}, {1000, 500}} {
		t.Run(fmt.Sprint(c.queues), func(t *testing.T) {
			t.Parallel()
			f := newFleetOn(t, redistest.Start(t))
			rdb := f.redis.Client(t)
			many := make([]fleet.Queue, c.queues)
			names := make([]string, c.queues)
			for i := range many {
				names[i] = fmt.Sprintf("q%d", i)
				many[i] = fleet.Queue{Name: names[i], Weight: 1}
			}
			f.registry = catalog.New(names, time.Hour)
			define(f, "echo", func(_ context.Context, in input) (output, error) { return output(in), nil })
			f.worker(func(cfg *worker.Config) { cfg.Queues = many })
			for _, name := range names[:3] {
				f.wait(f.enqueue(task.Request{Type: "echo", Queue: name}).ID)
			}
			f.waitUntil(time.Now().Add(2 * time.Second)) // for the start to be over
			before, start := statOf(t, rdb, "stats", "total_commands_processed:"), time.Now()
			f.waitUntil(start.Add(3 * time.Second))
			n, took := statOf(t, rdb, "stats", "total_commands_processed:")-before, time.Since(start)
			// Twice as many are no failure: what happens every few seconds may have happened more often.
			if most := 2 * c.most * int(took.Seconds()+1); n > most {
				t.Errorf("%d commands in %s, want %d at most", n, took, most)
			}
		})
	}
}

// logLines is what a worker has logged.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logLines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// lockKeys returns the locks of maintainers.
func (f *workshop) lockKeys() []string { return f.keys("asynq:*:maintainer:*") }

// waitLock waits until somebody maintains, and returns the keys of the locks.
func (f *workshop) waitLock() []string {
	f.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); f.yield() {
		if keys := f.lockKeys(); len(keys) > 0 {
			return keys
		}
	}
	f.t.Fatal("nobody maintains")
	return nil
}

// Of several workers one maintains. When it does so no more, another one does.
func TestOneWorkerMaintains(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	rdb := f.redis.Client(t)
	first := f.worker()
	lock := f.waitLock()[0]
	holder := f.rdb.Get(t.Context(), lock).Val()
	f.worker()
	first.Stop()
	for deadline := time.Now().Add(patience); ; f.yield() {
		if h := f.rdb.Get(t.Context(), lock).Val(); h != "" && h != holder {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the other worker does not take over")
		}
	}
	if got := f.wait(f.enqueue(task.Request{Type: "echo", Delay: ptr(50 * time.Millisecond)}).ID); got.State != task.Succeeded {
		t.Errorf("%+v", got)
	}

	// Another one, of which this worker knows nothing, is the maintainer.
	f.must(f.rdb.Set(t.Context(), lock, "another", time.Hour).Err())
	tries := callsOf(t, rdb, "set")
	for deadline := time.Now().Add(patience); callsOf(t, rdb, "set") < tries+1; f.yield() {
		if time.Now().After(deadline) {
			t.Fatal("nobody asks for the lock")
		}
	}
	f.must(f.rdb.Set(t.Context(), lock, "another", time.Hour).Err()) // what it has found was to end as its own would
	asked := f.enqueue(task.Request{Type: "echo", Delay: ptr(10 * time.Millisecond), ExpiresAt: time.Now().Add(time.Hour)})
	tries = callsOf(t, rdb, "set")
	for deadline := time.Now().Add(patience); callsOf(t, rdb, "set") < tries+2; f.yield() {
		if time.Now().After(deadline) {
			t.Fatal("nobody asks for the lock any more")
		}
	}
	if got := f.get(asked.ID); got.State != task.Scheduled {
		t.Errorf("the task is %s, though the worker does not maintain", got.State)
	}
	// It dies: its lock ends.
	f.must(f.rdb.PExpire(t.Context(), lock, 10*time.Millisecond).Err())
	if got := f.wait(asked.ID); got.State != task.Succeeded {
		t.Errorf("%+v", got)
	}
}

// The maintainer is cut off with what it runs. Another worker takes over, and recovers that.
func TestMaintainerIsCutOff(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	link := redistest.StartLink(t, f.redis.Addr())
	f.workerAt(link.Addr())
	f.waitLock()
	asked := f.enqueue(task.Request{Type: "block"})
	lost := f.started()
	f.worker()
	link.Cut()
	cut := time.Now()
	delayed := f.enqueue(task.Request{Type: "echo", Delay: ptr(time.Millisecond)})
	if got := f.wait(delayed.ID); got.State != task.Succeeded {
		t.Errorf("%s", got.State)
	}
	t.Logf("another forwards after %s", time.Since(cut))
	again := f.started()
	t.Logf("what it ran is recovered after %s", time.Since(cut))
	again.release <- nil
	lost.release <- nil
	if got := f.wait(asked.ID); got.State != task.Succeeded || got.Attempt != 2 {
		t.Errorf("%s, attempt %d", got.State, got.Attempt)
	}
}

// A lock that is none keeps nobody from maintaining.
func TestDamagedLock(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	s := f.worker()
	lock := f.waitLock()[0]
	s.Stop()
	f.waitNoKeys("asynq:*:maintainer:*")
	f.must(f.rdb.HSet(t.Context(), lock, "a", 1).Err())
	f.worker()
	if got := f.wait(f.enqueue(task.Request{Type: "echo", Delay: ptr(50 * time.Millisecond)}).ID); got.State != task.Succeeded {
		t.Errorf("%+v", got)
	}
}

// What stock clients have put off, or had kept, is dealt with though asynq's own forwarder and janitor have nothing to do.
func TestMaintainsTasksOfStockClients(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.worker()
	info, err := f.stockClient().Enqueue(asynq.NewTask("echo", []byte(`{"n":1}`)),
		asynq.ProcessIn(time.Second), asynq.Retention(time.Second), asynq.Queue("low"))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.wait(info.ID); got.State != task.Succeeded {
		t.Errorf("%s", got.State)
	}
	f.waitNoKeys("asynq:{low}:t:*", "asynq:{low}:completed")
}

// expireAll lets the time of all tasks of the default queue pass by which they must have started, in their order.
func (f *workshop) expireAll() {
	f.t.Helper()
	const key = "backbeat:{default}:expires"
	for i, id := range f.rdb.ZRange(f.t.Context(), key, 0, -1).Val() {
		f.must(f.rdb.ZAdd(f.t.Context(), key, redis.Z{Score: float64(i + 1), Member: id}).Err())
	}
}

// Tasks whose keys hold something else delay no others, and are looked at once.
func TestMaintenanceGuardsEachTask(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var spoiled []*task.Task
	later := time.Now().Add(time.Hour)
	for i := range 3 {
		id := fmt.Sprintf("a-%d", i)
		spoiled = append(spoiled,
			f.enqueue(task.Request{Type: "echo", ID: id + "-due", Delay: ptr(time.Millisecond)}),
			f.enqueue(task.Request{Type: "echo", ID: id + "-expires", ExpiresAt: later}),
			f.enqueue(task.Request{Type: "echo", ID: id + "-canceled", Retention: ptr(time.Millisecond)}))
		f.must(f.client.Pause(t.Context(), "default"))
		_, err := f.client.Cancel(t.Context(), id+"-canceled")
		f.must(err)
	}
	for _, asked := range spoiled {
		key := "asynq:{default}:t:" + asked.ID
		f.must(f.rdb.Del(t.Context(), key).Err())
		f.must(f.rdb.Set(t.Context(), key, "no task", 0).Err())
	}
	due := f.enqueue(task.Request{Type: "echo", Delay: ptr(50 * time.Millisecond)})
	expires := f.enqueue(task.Request{Type: "echo", ExpiresAt: later.Add(time.Second)})
	canceled := f.enqueue(task.Request{Type: "echo", Retention: ptr(60 * time.Millisecond)})
	_, err := f.client.Cancel(t.Context(), canceled.ID)
	f.must(err)
	f.expireAll()
	log := new(logLines)
	f.worker(func(cfg *worker.Config) { cfg.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	f.waitNoKeys("backbeat:{default}:due", "backbeat:{default}:expires", "backbeat:{default}:canceled", "asynq:{default}:scheduled")
	f.waitState(due.ID, task.Pending)
	if got := f.wait(expires.ID); got.State != task.Expired {
		t.Errorf("%s", got.State)
	}
	f.waitGone(canceled.ID)
	for _, asked := range spoiled {
		if n := log.count("task=" + asked.ID + " "); n < 1 || n > 2 { // once for each set that it was in
			t.Errorf("%s was logged %d times", asked.ID, n)
		}
	}
	f.must(f.client.Resume(t.Context(), "default"))
	if got := f.wait(due.ID); got.State != task.Succeeded {
		t.Errorf("%s", got.State)
	}
}

// A task that is active without a lease is found wherever it stands, and a key that is no task any more stops no recovery.
func TestOrphansBehindManyThatRun(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.must(f.client.Pause(t.Context(), "default"))
	orphan := f.enqueue(task.Request{Type: "echo", ID: "orphan"})
	f.must(f.rdb.Del(t.Context(), "asynq:{default}:pending").Err())
	f.must(f.rdb.HSet(t.Context(), "asynq:{default}:t:orphan", "state", "active").Err())
	f.must(f.rdb.Set(t.Context(), "asynq:{default}:t:spoiled", "no task", 0).Err())
	ids, leases := []any{"spoiled"}, []redis.Z(nil)
	for i := range 2500 {
		id := fmt.Sprintf("running-%d", i)
		ids = append(ids, id)
		leases = append(leases, redis.Z{Member: id, Score: float64(time.Now().Add(time.Hour).Unix())})
	}
	f.must(f.rdb.RPush(t.Context(), "asynq:{default}:active", ids...).Err())
	f.must(f.rdb.LPush(t.Context(), "asynq:{default}:active", orphan.ID).Err())
	f.must(f.rdb.ZAdd(t.Context(), "asynq:{default}:lease", leases...).Err())
	f.worker()
	f.waitState(orphan.ID, task.Pending)
	for deadline := time.Now().Add(patience); f.rdb.LLen(t.Context(), "asynq:{default}:active").Val() > 2500; f.yield() {
		if time.Now().After(deadline) {
			t.Fatal("what is no task is active still")
		}
	}
}

// Expiring many tasks takes a few passes over the pending list, not one for each.
func TestManyTasksExpireBehindOthers(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	rdb := f.redis.Client(t)
	f.must(f.client.Pause(t.Context(), "default"))
	const each = 3000
	var tasks []*task.Task
	for range each {
		tasks = append(tasks, f.prepare(task.Request{Type: "echo"}))
	}
	for i := range 2 * each {
		req := task.Request{Type: "echo"}
		if i%2 == 0 {
			req.ExpiresAt, req.Retention = time.Now().Add(time.Hour), ptr(time.Hour)
		}
		tasks = append(tasks, f.prepare(req))
	}
	for _, err := range f.client.EnqueueAll(t.Context(), tasks) {
		f.must(err)
	}
	var want []string // the others, in their order
	expiring := make(map[string]bool)
	for _, asked := range tasks {
		expiring[asked.ID] = !asked.ExpiresAt.IsZero()
	}
	for _, id := range f.rdb.LRange(t.Context(), "asynq:{default}:pending", 0, -1).Val() {
		if !expiring[id] {
			want = append(want, id)
		}
	}
	f.expireAll()
	before := callsOf(t, rdb, "lrem")
	f.worker()
	for deadline := time.Now().Add(patience); f.rdb.ZCard(t.Context(), "backbeat:{default}:expired").Val() < each; f.yield() {
		if time.Now().After(deadline) {
			t.Fatal("they do not expire")
		}
	}
	if n := callsOf(t, rdb, "lrem") - before; n > 200 {
		t.Errorf("%d passes over the list", n)
	}
	got := f.rdb.LRange(t.Context(), "asynq:{default}:pending", 0, -1).Val()
	if len(got) != 2*each || !slices.Equal(got, want) {
		t.Errorf("%d tasks are left, want the %d others in their order", len(got), len(want))
	}
}
