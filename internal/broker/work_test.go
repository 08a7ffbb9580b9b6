package broker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/task"
)

// ledger writes down what ran, in order.
type ledger struct {
	mu     sync.Mutex
	queues []string
	times  map[string]int
	full   chan struct{} // closed when as many as expected have run
	want   int
}

func newLedger(want int) *ledger {
	return &ledger{times: make(map[string]int), full: make(chan struct{}), want: want}
}

func (l *ledger) run(ctx context.Context, _ input) (task.None, error) {
	info := task.Info(ctx)
	l.write(info.ID, info.Queue)
	return task.None{}, nil
}

func (l *ledger) write(id, queue string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queues = append(l.queues, queue)
	l.times[id]++
	if len(l.queues) == l.want {
		close(l.full)
	}
}

func (l *ledger) wait(t *testing.T) {
	t.Helper()
	select {
	case <-l.full:
	case <-time.After(4 * patience):
		t.Fatalf("%d of %d tasks ran", len(l.queues), l.want)
	}
}

// fill enqueues n tasks of type "log" in each queue.
func (f *workshop) fill(n int) {
	f.t.Helper()
	var wg sync.WaitGroup
	for _, q := range queues {
		wg.Go(func() {
			for i := range n {
				t := f.prepare(task.Request{Type: "log", ID: fmt.Sprintf("%s-%d", q.Name, i), Queue: q.Name, Retention: ptr(time.Duration(0))})
				if err := f.client.Enqueue(f.t.Context(), t); err != nil {
					f.t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestTwoWorkersShareAndEachTaskRunsOnce(t *testing.T) {
	const each = 1667 // 5,001 in all
	f := newFleet(t)
	log := newLedger(3 * each)
	define(f, "log", log.run)
	f.fill(each)
	f.worker()
	f.worker()
	log.wait(t)

	for id, n := range log.times {
		if n != 1 {
			t.Errorf("%s ran %d times", id, n)
		}
	}
	if len(log.times) != 3*each {
		t.Errorf("%d tasks ran", len(log.times))
	}
	// While all three queues have tasks, they are served 6 : 3 : 1. Over so many the shares are off by a few percent
	// at most; 20% would take a chance of one in many millions.
	shares := make(map[string]int)
	const window = 2000
	for _, q := range log.queues[:window] {
		shares[q]++
	}
	for _, q := range queues {
		if want := window * q.Weight / 10; shares[q.Name] < want*8/10 || shares[q.Name] > want*12/10 {
			t.Errorf("%s got %d of the first %d, want about %d", q.Name, shares[q.Name], window, want)
		}
	}
}

func TestStrictPriority(t *testing.T) {
	const each = 200
	f := newFleet(t)
	log := newLedger(3 * each)
	define(f, "log", log.run)
	f.fill(each)
	f.worker(func(cfg *worker.Config) { cfg.StrictPriority, cfg.Concurrency = true, 1 })
	log.wait(t)
	for i, q := range log.queues {
		if want := queues[i/each].Name; q != want {
			t.Fatalf("the %dth task was of %s, want %s", i, q, want)
		}
	}
}

func TestStopHandsBackToTheHeadAndSpendsNoRetry(t *testing.T) {
	f := newFleet(t)
	w := f.worker(func(cfg *worker.Config) { cfg.Concurrency = 1 })
	f.enqueue(task.Request{Type: "block", ID: "a", MaxRetries: ptr(0)})
	f.started()
	f.enqueue(task.Request{Type: "block", ID: "b", MaxRetries: ptr(0)})
	w.Stop()
	w.Stop() // twice does no harm

	if got := f.get("a"); got.State != task.Pending || got.Error != nil || got.Attempt != 1 {
		t.Errorf("handed back: %s, error %v, attempt %d", got.State, got.Error, got.Attempt)
	}
	f.worker(func(cfg *worker.Config) { cfg.Concurrency = 1 })
	for _, want := range []string{"a", "b"} {
		r := f.started()
		if r.info.ID != want {
			t.Errorf("%s ran, want %s: it had come first", r.info.ID, want)
		}
		r.release <- nil
		if got := f.wait(want); got.State != task.Succeeded {
			t.Errorf("%s: %s", want, got.State)
		}
	}
}

// A worker that was stopped for so long that its task was given to another may come back.
func TestLateAttemptIsFencedOff(t *testing.T) {
	f := newFleet(t)
	f.worker(func(cfg *worker.Config) { cfg.Concurrency = 1 })
	f.enqueue(task.Request{Type: "block", ID: "a"})
	late := f.started()
	// What a recovery does: the task goes back into the queue.
	f.must(f.rdb.LRem(t.Context(), "asynq:{default}:active", 0, "a").Err())
	f.must(f.rdb.ZRem(t.Context(), "asynq:{default}:lease", "a").Err())
	f.must(f.rdb.RPush(t.Context(), "asynq:{default}:pending", "a").Err())
	f.worker(func(cfg *worker.Config) { cfg.Concurrency = 1 })
	second := f.started()
	if second.info.Attempt != 2 {
		t.Fatalf("attempt %d", second.info.Attempt)
	}
	late.release <- nil
	f.wait(f.enqueue(task.Request{Type: "echo"}).ID) // the first worker is free again: its end is written
	if got := f.get("a"); got.State != task.Running || got.Result != nil {
		t.Errorf("the late attempt made %s of it, result %s", got.State, got.Result)
	}
	second.release <- nil
	if got := f.wait("a"); got.State != task.Succeeded || got.Attempt != 2 {
		t.Errorf("%s after %d attempts", got.State, got.Attempt)
	}
}

func (f *workshop) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// The end of an attempt is written again until Redis has taken it: the work is not done twice.
func TestEndSurvivesAnOutage(t *testing.T) {
	f := newFleetAOF(t)
	f.worker()
	f.enqueue(task.Request{Type: "block", ID: "a"})
	r := f.started()
	f.redis.Kill()
	r.release <- nil
	f.redis.Restart()
	if got := f.wait("a"); got.State != task.Succeeded || got.Attempt != 1 || len(f.runs) != 0 {
		t.Errorf("%s after %d attempts", got.State, got.Attempt)
	}
	f.wait(f.enqueue(task.Request{Type: "echo"}).ID) // and the worker goes on
}

func TestSilentRedisStopsNothingForGood(t *testing.T) {
	f := newFleet(t)
	f.worker()
	f.enqueue(task.Request{Type: "block", ID: "a"})
	r := f.started()
	f.redis.Freeze()
	r.release <- nil
	f.redis.Thaw()
	if got := f.wait("a"); got.State != task.Succeeded || got.Attempt != 1 {
		t.Errorf("%s after %d attempts", got.State, got.Attempt)
	}
}

func TestTaskThatNobodyCanRead(t *testing.T) {
	f := newFleet(t)
	f.must(f.rdb.SAdd(t.Context(), "asynq:queues", "default").Err())
	f.must(f.rdb.HSet(t.Context(), "asynq:{default}:t:bad", "msg", "\xff\xff\xff", "state", "pending").Err())
	f.must(f.rdb.LPush(t.Context(), "asynq:{default}:pending", "bad", "gone").Err())
	asked := f.enqueue(task.Request{Type: "echo"})
	f.worker()
	f.wait(asked.ID) // neither holds up the others
	got := f.wait("bad")
	if got.State != task.Failed || got.Error == nil {
		t.Errorf("%+v", got)
	}
	if n := f.rdb.LLen(t.Context(), "asynq:{default}:active").Val(); n != 0 {
		t.Errorf("%d ids are left active", n)
	}
	f.must(f.client.Delete(t.Context(), "bad"))
}
