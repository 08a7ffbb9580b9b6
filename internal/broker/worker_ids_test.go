package broker_test

import (
	"context"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// waitWorkers waits until the list of workers is as it should be, and returns it by id.
func (f *workshop) waitWorkers(ok func(map[string]fleet.WorkerStatus) bool) map[string]fleet.WorkerStatus {
	f.t.Helper()
	var last map[string]fleet.WorkerStatus
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); f.yield() {
		list, err := f.client.Workers(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		last = make(map[string]fleet.WorkerStatus, len(list))
		for _, w := range list {
			last[w.ID] = w
		}
		if ok(last) {
			return last
		}
	}
	f.t.Fatalf("workers: %+v", last)
	return nil
}

// Workers in containers have the same host name and pid. These are in one process.
func TestWorkersOfOneHostAndPidHaveTwoIDs(t *testing.T) {
	f := newFleet(t)
	one := func(cfg *worker.Config) { cfg.Concurrency = 1 }
	a, b := f.worker(one), f.worker(one)
	if a.ID() == b.ID() {
		t.Fatalf("both are %s", a.ID())
	}
	owner := make(map[string]string)
	for _, id := range []string{f.enqueue(task.Request{Type: "block"}).ID, f.enqueue(task.Request{Type: "block"}).ID} {
		r := f.started()
		defer func() { r.release <- nil }()
		owner[r.info.ID] = f.get(r.info.ID).Worker
		if w := owner[r.info.ID]; w != a.ID() && w != b.ID() {
			t.Errorf("task %s is run by %q, not by %s or %s", id, w, a.ID(), b.ID())
		}
	}
	listed := f.waitWorkers(func(all map[string]fleet.WorkerStatus) bool {
		return len(all) == 2 && len(all[a.ID()].Running) == 1 && len(all[b.ID()].Running) == 1
	})
	for id, w := range listed {
		if got := w.Running[0].ID; owner[got] != id {
			t.Errorf("task %s is listed with %s, and says that %q runs it", got, id, owner[got])
		}
	}
}

// An inspector of asynq's drops all servers from the list that have ended by its own clock. Ours looks at what expires in
// Redis, and drops nothing.
func TestWorkersAreListedByTheTimeOfRedis(t *testing.T) {
	f := newFleet(t)
	stock := asynq.NewServer(f.stock(), asynq.Config{Queues: map[string]int{"low": 1}, Concurrency: 2, LogLevel: asynq.FatalLevel})
	if err := stock.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stock.Shutdown)
	ours := f.worker()
	both := func(all map[string]fleet.WorkerStatus) bool { return len(all) == 2 }
	f.waitWorkers(both)
	// As a server lists itself whose clock is slow, or as one sees it whose own is fast.
	keys, err := f.rdb.ZRange(t.Context(), "asynq:servers", 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		f.rdb.ZAdd(t.Context(), "asynq:servers", redis.Z{Score: float64(time.Now().Add(-time.Hour).Unix()), Member: key})
	}
	// Entries that nobody can read, and one that has expired.
	f.rdb.Set(t.Context(), "asynq:servers:{x:1:a}", "\xff\xff", time.Minute)
	f.rdb.LPush(t.Context(), "asynq:servers:{x:1:b}", "no string")
	f.rdb.Set(t.Context(), "asynq:workers:{x:1:c}", "no hash", time.Minute)
	for _, end := range []string{"a", "b", "c", "gone"} {
		until := float64(time.Now().Add(time.Hour).Unix())
		f.rdb.ZAdd(t.Context(), "asynq:servers", redis.Z{Score: until, Member: "asynq:servers:{x:1:" + end + "}"})
	}
	all := f.waitWorkers(both)
	if w, ok := all[ours.ID()]; !ok || w.Concurrency != 8 || w.StartedAt.IsZero() {
		t.Errorf("%s is not listed: %+v", ours.ID(), all)
	}
	if n, err := f.rdb.ZCard(t.Context(), "asynq:servers").Result(); n != 6 || err != nil {
		t.Errorf("%d servers are left in the list, want 6 (%v)", n, err)
	}
}

// A stock tool finds a worker, and lists it no more once it has stopped.
func TestStockInspectorSeesWorkers(t *testing.T) {
	f := newFleet(t)
	w := f.worker()
	f.waitWorkers(func(all map[string]fleet.WorkerStatus) bool { return len(all) == 1 })
	servers, err := f.stockInspector().Servers()
	if err != nil || len(servers) != 1 || servers[0].Concurrency != 8 {
		t.Errorf("%+v, %v", servers, err)
	}
	w.Stop()
	for _, key := range []string{"asynq:servers", "asynq:workers"} {
		if left := f.keys(key + "*"); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}
