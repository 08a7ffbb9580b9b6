package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// tally counts what it is told.
type tally struct {
	mu      sync.Mutex
	counts  map[string]int
	longest map[string]time.Duration
}

func newTally() *tally {
	return &tally{counts: make(map[string]int), longest: make(map[string]time.Duration)}
}

func (y *tally) add(words ...string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.counts[strings.Join(words, " ")]++
}

func (y *tally) note(what string, d time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.longest[what] = max(y.longest[what], d)
}

func (y *tally) Enqueued(taskType, queue string) { y.add("enqueued", taskType, queue) }
func (y *tally) Refused(err error)               { y.add("refused", string(task.CodeOf(err))) }
func (y *tally) Began(taskType, queue string)    { y.add("began", taskType, queue) }
func (y *tally) Retried(taskType, queue string)  { y.add("retried", taskType, queue) }
func (y *tally) Crashed(taskType, queue string)  { y.add("crashed", taskType, queue) }
func (y *tally) Ended(taskType, queue string, as task.State) {
	y.add(string(as), taskType, queue)
}

func (y *tally) Waited(taskType, queue string, d time.Duration) {
	y.add("waited", taskType, queue)
	y.note("waited "+taskType, d)
}

func (y *tally) Ran(taskType, queue string, d time.Duration) {
	y.add("ran", taskType, queue)
	y.note("ran "+taskType, d)
}

// settles waits until exactly that has been counted: workers count an end just after it is written.
func (y *tally) settles(f *workshop, want map[string]int) {
	f.t.Helper()
	var got map[string]int
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); f.yield() {
		y.mu.Lock()
		got = maps.Clone(y.counts)
		y.mu.Unlock()
		if maps.Equal(got, want) {
			return
		}
	}
	f.t.Errorf("counted\n%v, want\n%v", got, want)
}

func (y *tally) worker(cfg *worker.Config) { cfg.Meter = y }

func TestMeterIsToldWhatTasksComeTo(t *testing.T) {
	f := newFleet(t)
	y := newTally()
	f.client.Measure(y)
	f.worker(y.worker)

	f.wait(f.enqueue(task.Request{Type: "echo"}).ID)
	f.wait(f.enqueue(task.Request{Type: "fail", Queue: "low"}).ID)
	running := f.enqueue(task.Request{Type: "block"})
	f.started()
	_, err := f.client.Cancel(t.Context(), running.ID)
	f.must(err)
	f.wait(running.ID)
	waiting := f.enqueue(task.Request{Type: "block", ID: "w", Delay: ptr(time.Hour)})
	_, err = f.client.Cancel(t.Context(), waiting.ID)
	f.must(err)
	f.wantCode(f.client.Enqueue(t.Context(), f.prepare(task.Request{Type: "echo", ID: "w"})), task.CodeConflict)

	y.settles(f, map[string]int{
		"enqueued echo default": 1, "began echo default": 1, "waited echo default": 1, "ran echo default": 1, "succeeded echo default": 1,
		"enqueued fail low": 1, "began fail low": 2, "waited fail low": 1, "ran fail low": 2, "retried fail low": 1, "failed fail low": 1,
		"enqueued block default": 2, "began block default": 1, "waited block default": 1, "ran block default": 1, "canceled block default": 2,
		"refused conflict": 1,
	})
}

// Whoever ends a task that has expired counts it: a worker that sweeps, one that fetches, or a client that looks at it.
func TestMeterIsToldOfExpiry(t *testing.T) {
	f := newFleet(t)
	fetches, sweeps, looks := newTally(), newTally(), newTally()
	f.client.Measure(looks)
	expire := func(queue string) string {
		made := f.enqueue(task.Request{Type: "echo", Queue: queue, ExpiresAt: time.Now().Add(50 * time.Millisecond)})
		f.waitUntil(made.ExpiresAt.Add(10 * time.Millisecond))
		return made.ID
	}
	seen := expire("critical")
	if got := f.get(seen); got.State != task.Expired {
		t.Fatalf("%s is %s", seen, got.State)
	}
	looks.settles(f, map[string]int{"enqueued echo critical": 1, "expired echo critical": 1})

	expire("default")
	f.worker(fetches.worker) // which fetches as soon as it starts, and sweeps a second later
	fetches.settles(f, map[string]int{"expired echo default": 1})

	f.must(f.client.Pause(t.Context(), "low"))
	f.worker(sweeps.worker, func(cfg *worker.Config) { cfg.Queues = queues[2:] })
	both := func() int {
		n := 0
		for _, y := range []*tally{fetches, sweeps} {
			y.mu.Lock()
			n += y.counts["expired echo low"]
			y.mu.Unlock()
		}
		return n
	}
	expire("low")
	for deadline := time.Now().Add(patience); both() == 0 && time.Now().Before(deadline); f.yield() {
	}
	if both() != 1 {
		t.Errorf("the task that was swept was counted %d times", both())
	}
}

// A cancellation that nobody heard is obeyed by the next fetch. It is the worker that fetches who counts it.
func TestMeterIsToldOfLateCancellation(t *testing.T) {
	f := newFleet(t)
	made := f.enqueue(task.Request{Type: "echo"})
	f.must(f.rdb.HSet(t.Context(), "asynq:{default}:t:"+made.ID, "bb:cancel", "1").Err())
	y := newTally()
	f.worker(y.worker)
	y.settles(f, map[string]int{"canceled echo default": 1})
}

// Tasks of stock clients do not say since when they wait.
func TestMeterIsToldOfForeignTasks(t *testing.T) {
	f := newFleet(t)
	y := newTally()
	f.worker(y.worker)
	info, err := f.stockClient().Enqueue(asynq.NewTask("fail", []byte(`{}`)), asynq.MaxRetry(0))
	f.must(err)
	f.wait(info.ID)
	y.settles(f, map[string]int{"began fail default": 1, "ran fail default": 1, "failed fail default": 1})
}

func TestMeterIsToldOfCrashes(t *testing.T) {
	f := newFleet(t)
	y := newTally()
	made := f.enqueue(task.Request{Type: "echo"})
	doomed := f.enqueue(task.Request{Type: "echo", Queue: "low"})
	for _, one := range []*task.Task{made, doomed} {
		// As a worker leaves it that died just after it had taken the task.
		f.must(f.rdb.RPop(t.Context(), "asynq:{"+one.Queue+"}:pending").Err())
		f.must(f.rdb.LPush(t.Context(), "asynq:{"+one.Queue+"}:active", one.ID).Err())
		f.must(f.rdb.HSet(t.Context(), "asynq:{"+one.Queue+"}:t:"+one.ID, "state", "active", "bb:attempt", 1).Err())
	}
	f.must(f.rdb.HSet(t.Context(), "asynq:{low}:t:"+doomed.ID, "bb:crashes", 2).Err())
	f.worker(y.worker)
	y.settles(f, map[string]int{
		"crashed echo default": 1, "began echo default": 1, "ran echo default": 1, "succeeded echo default": 1,
		"crashed echo low": 1, "failed echo low": 1,
	})
}

func TestMeterIsToldHowLongItTook(t *testing.T) {
	f := newFleet(t)
	const wait, length = 300 * time.Millisecond, 200 * time.Millisecond
	define(f, "slow", func(ctx context.Context, in input) (output, error) {
		<-time.After(length)
		return output(in), nil
	})
	made := f.enqueue(task.Request{Type: "slow"})
	late := f.enqueue(task.Request{Type: "echo", RunAt: time.Now().Add(wait)})
	f.waitUntil(made.CreatedAt.Add(wait))
	y := newTally()
	f.worker(y.worker)
	f.wait(late.ID)
	f.wait(made.ID)
	y.settles(f, map[string]int{
		"began slow default": 1, "waited slow default": 1, "ran slow default": 1, "succeeded slow default": 1,
		"began echo default": 1, "waited echo default": 1, "ran echo default": 1, "succeeded echo default": 1,
	})
	if y.longest["waited slow"] < wait || y.longest["ran slow"] < length {
		t.Errorf("%v", y.longest)
	}
	// Its time to wait begins when it is to run, and not when it was made.
	if d := y.longest["waited echo"]; d > time.Since(late.RunAt) {
		t.Errorf("the task that was to run later waited %s", d)
	}
}

// A task that an attempt was fenced off from is counted by who ended it, and by nobody else.
func TestMeterIsNotToldOfWhatChangedNothing(t *testing.T) {
	f := newFleet(t)
	y := newTally()
	f.worker(y.worker, func(cfg *worker.Config) { cfg.Logger = slog.New(slog.DiscardHandler) })
	made := f.enqueue(task.Request{Type: "block"})
	r := f.started()
	f.must(f.rdb.HIncrBy(t.Context(), "asynq:{default}:t:"+made.ID, "bb:attempt", 1).Err()) // as if another had taken it
	r.release <- errors.New("too late")
	next := f.enqueue(task.Request{Type: "echo"}) // its end is written after that
	f.wait(next.ID)
	y.settles(f, map[string]int{
		"began block default": 1, "waited block default": 1,
		"began echo default": 1, "waited echo default": 1, "ran echo default": 1, "succeeded echo default": 1,
	})
}

// A request that is sent again makes no task, and a task that is canceled with others ends like any other.
func TestMeterIsToldOfKeyedAndBulkRequests(t *testing.T) {
	f := newFleet(t)
	d := f.desk()
	y := newTally()
	d.client.Measure(y)
	for range 2 {
		d.mustSend("k", "{}", task.Request{Type: "echo"})
	}
	for _, dry := range []bool{true, false} {
		_, err := d.client.Bulk(t.Context(), fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Types: []string{"echo"}}, DryRun: dry})
		f.must(err)
	}
	y.settles(f, map[string]int{"enqueued echo default": 1, "canceled echo default": 1})
}
