package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/task"
)

const stockCap = 10_000 // of asynq's archive

// stockServer runs tasks of the queue "default" with asynq's own server until the test ends.
func (f *workshop) stockServer(h asynq.HandlerFunc, changes ...func(*asynq.Config)) *asynq.Server {
	f.t.Helper()
	cfg := asynq.Config{
		Queues: map[string]int{"default": 1}, LogLevel: asynq.FatalLevel, TaskCheckInterval: 50 * time.Millisecond,
		DelayedTaskCheckInterval: 50 * time.Millisecond,
	}
	for _, change := range changes {
		change(&cfg)
	}
	server := asynq.NewServer(f.stock(), cfg)
	f.must(server.Start(h))
	f.t.Cleanup(server.Shutdown)
	return server
}

func failing(context.Context, *asynq.Task) error { return errors.New("no luck there") }

// archivedLongAgo makes tasks in asynq's archive as a stock server leaves them.
func (f *workshop) archivedLongAgo(n int, at time.Time, named func(i int) string) {
	f.t.Helper()
	info, err := f.stockClient().Enqueue(asynq.NewTask("fail", nil), asynq.TaskID("pattern"))
	f.must(err)
	msg := f.rdb.HGet(f.t.Context(), "asynq:{default}:t:pattern", "msg").Val()
	f.must(f.stockInspector().DeleteTask("default", info.ID))
	_, err = f.rdb.Pipelined(f.t.Context(), func(p redis.Pipeliner) error {
		for i := range n {
			p.HSet(f.t.Context(), "asynq:{default}:t:"+named(i), "msg", msg, "state", "archived")
			p.ZAdd(f.t.Context(), "asynq:{default}:archived", redis.Z{Member: named(i), Score: float64(at.Unix() + int64(i/10))})
		}
		return nil
	})
	f.must(err)
}

func (f *workshop) archived() int64 {
	return f.rdb.ZCard(f.t.Context(), "asynq:{default}:archived").Val()
}

// The failed tasks of stock clients are capped as asynq caps them. Those from here stay for their retention.
func TestFailedTasksOfStockClientsAreCapped(t *testing.T) {
	f := newFleet(t)
	ours := f.enqueue(task.Request{Type: "fail", MaxRetries: ptr(0), Queue: "default"})
	f.worker(func(cfg *worker.Config) { cfg.Concurrency = 64 })
	f.wait(ours.ID)
	const more = 50
	client := f.stockClient()
	var group sync.WaitGroup
	for part := range 8 {
		group.Go(func() {
			for i := part; i < stockCap+more; i += 8 {
				_, err := client.Enqueue(asynq.NewTask("fail", []byte(`{"n":1}`)), asynq.TaskID(fmt.Sprintf("t-%d", i)), asynq.MaxRetry(0))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for deadline := time.Now().Add(2 * patience); ; f.yield() {
		failed, _ := f.rdb.Get(t.Context(), "asynq:{default}:failed").Int()
		if failed == stockCap+more+1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d have failed", failed)
		}
	}
	if n := f.archived(); n != stockCap+1 {
		t.Errorf("%d are archived", n)
	}
	if n := len(f.keys("asynq:*:t:*")); n != stockCap+1 {
		t.Errorf("%d hashes are left", n)
	}
	if n := f.rdb.ZCard(t.Context(), "backbeat:{default}:failed").Val(); n != stockCap+1 {
		t.Errorf("%d have an end of their retention", n)
	}
	if got := f.get(ours.ID); got.State != task.Failed {
		t.Errorf("%+v", got)
	}
}

// What stock servers leave behind is capped together with what fails here, in small steps.
func TestArchiveOfAStockServerIsAdopted(t *testing.T) {
	f := newFleet(t)
	const more = 250
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	f.archivedLongAgo(stockCap+more, begin, func(i int) string { return fmt.Sprintf("t-%05d", i) })
	f.must(script.AdoptAll(t.Context(), f.rdb, "default", time.Second))
	if n := f.archived(); n != stockCap {
		t.Errorf("%d are archived", n)
	}
	if n := len(f.keys("asynq:*:t:*")); n != stockCap {
		t.Errorf("%d hashes are left", n)
	}
	for id, want := range map[string]int64{"t-00249": 0, "t-00250": 1} {
		if n := f.rdb.Exists(t.Context(), "asynq:{default}:t:"+id).Val(); n != want {
			t.Errorf("%s: %d keys", id, n)
		}
	}
	got := f.get("t-00250")
	if want := begin.Add(25 * time.Second); got.State != task.Failed || !got.FinishedAt.Equal(want) {
		t.Errorf("%s at %s, want %s", got.State, got.FinishedAt, want)
	}
	end := f.rdb.ZScore(t.Context(), "backbeat:{default}:failed", "t-00250").Val()
	if want := begin.Add(25*time.Second + 90*24*time.Hour); int64(end) != want.UnixMilli() {
		t.Errorf("it stays until %s, want %s", time.UnixMilli(int64(end)), want)
	}
}

// What has been looked at is not looked at again.
func TestAdoptionGoesOnWhereItHasBeen(t *testing.T) {
	f := newFleet(t)
	f.archivedLongAgo(350, time.Now().Add(-time.Hour), func(i int) string { return fmt.Sprintf("t-%05d", i) })
	f.must(script.AdoptAll(t.Context(), f.rdb, "default", time.Second))
	rdb := f.redis.Client(t)
	reads := func() int64 {
		info := rdb.Info(t.Context(), "commandstats").Val()
		_, rest, _ := strings.Cut(info, "cmdstat_hmget:calls=")
		calls, _, _ := strings.Cut(rest, ",")
		n, err := strconv.ParseInt(calls, 10, 64)
		f.must(err)
		return n
	}
	before := reads()
	f.must(script.AdoptAll(t.Context(), f.rdb, "default", time.Second))
	if n := reads() - before; n > 0 {
		t.Errorf("%d tasks were read again", n)
	}
	f.archivedLongAgo(1, time.Now().Add(-time.Minute), func(int) string { return "new" })
	f.must(script.AdoptAll(t.Context(), f.rdb, "default", time.Second))
	if n := f.rdb.ZCard(t.Context(), "backbeat:{default}:failed").Val(); n != 351 {
		t.Errorf("%d are adopted", n)
	}
}

// Tasks from here that stock servers fail, and that asynq's tools archive, leave after their retention.
func TestRetentionOfWhatOthersArchive(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	failed := f.enqueue(task.Request{Type: "fail", ID: "failed", MaxRetries: ptr(0), Retention: ptr(time.Second)})
	kept := f.enqueue(task.Request{Type: "fail", ID: "kept", MaxRetries: ptr(0), Retention: ptr(time.Hour)})
	later := f.enqueue(task.Request{Type: "fail", ID: "later", Delay: ptr(time.Hour), Retention: ptr(time.Second)})
	f.must(f.stockInspector().ArchiveTask("default", later.ID))
	server := f.stockServer(failing)
	f.wait(failed.ID)
	f.wait(kept.ID)
	server.Stop()

	f.worker()

	f.waitGone(failed.ID)
	f.waitGone(later.ID)
	if got := f.get(kept.ID); got.State != task.Failed || got.Retention != time.Hour {
		t.Errorf("%+v", got)
	}
	f.waitNoKeys("asynq:*:t:failed", "asynq:*:t:later")
	f.must(f.client.Delete(t.Context(), kept.ID))
	f.waitNoKeys("asynq:*:archived", "backbeat:*:failed", "backbeat:*:due")
}

// A task that failed here, and that asynqmon then had run by a stock server, stays for its retention after the later end.
func TestRetentionBeginsWithTheLastEnd(t *testing.T) {
	f := newFleet(t)
	w := f.worker()
	asked := f.enqueue(task.Request{Type: "fail", MaxRetries: ptr(0), Retention: ptr(time.Hour)})
	f.wait(asked.ID)
	w.Stop()
	key := "asynq:{default}:t:" + asked.ID
	early := time.Now().Add(-30 * time.Minute).Truncate(time.Second)
	f.must(f.rdb.HSet(t.Context(), key, "bb:finished_at", early.UnixMilli()).Err())
	f.must(f.rdb.ZAdd(t.Context(), "backbeat:{default}:failed", redis.Z{Member: asked.ID, Score: float64(early.Add(time.Hour).UnixMilli())}).Err())
	f.must(script.AdoptAll(t.Context(), f.rdb, "default", 0))
	at := f.rdb.ZScore(t.Context(), "asynq:{default}:archived", asked.ID).Val()
	end := f.rdb.ZScore(t.Context(), "backbeat:{default}:failed", asked.ID).Val()
	if want := at*1000 + float64(time.Hour.Milliseconds()); end != want {
		t.Errorf("it stays until %v, want %v", end, want)
	}
}

// Attempts count on stock servers too.
func TestAttemptsOnStockServers(t *testing.T) {
	f := newFleet(t)
	once := f.enqueue(task.Request{Type: "fail", ID: "once", MaxRetries: ptr(0)})
	twice := f.enqueue(task.Request{Type: "fail", ID: "twice", MaxRetries: ptr(1)})
	pause := func(int, error, *asynq.Task) time.Duration { return time.Hour }
	f.stockServer(failing, func(cfg *asynq.Config) { cfg.RetryDelayFunc = pause })
	if got := f.wait(once.ID); got.Attempt != 1 {
		t.Errorf("after the only run: attempt %d", got.Attempt)
	}
	if got := f.waitState(twice.ID, task.Retrying); got.Attempt != 1 {
		t.Errorf("after the first run of two: attempt %d", got.Attempt)
	}
	archived := f.enqueue(task.Request{Type: "fail", ID: "archived", MaxRetries: ptr(1)})
	f.waitState(archived.ID, task.Retrying)
	f.must(f.stockInspector().RunTask("default", twice.ID))
	if got := f.wait(twice.ID); got.Attempt != 2 {
		t.Errorf("after the second run: attempt %d", got.Attempt)
	}
	f.must(script.AdoptAll(t.Context(), f.rdb, "default", 0))
	for id, want := range map[string]int{once.ID: 1, twice.ID: 2} {
		if got := f.get(id); got.Attempt != want {
			t.Errorf("%s, adopted: attempt %d, want %d", id, got.Attempt, want)
		}
	}
}
