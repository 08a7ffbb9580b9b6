package broker_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// A page is bounded by what its payloads and results weigh, and the pages together hold every task.
func TestListOfHeavyTasks(t *testing.T) {
	f := newFleet(t)
	define(f, "heavy", func(context.Context, struct{ Text string }) (string, error) {
		return strings.Repeat("y", 3<<20), nil
	})
	payload := []byte(`{"Text":"` + strings.Repeat("x", 1<<20) + `"}`)
	var all []string
	for range 20 {
		all = append(all, f.enqueue(task.Request{Type: "heavy", Payload: payload, Delay: ptr(time.Hour)}).ID)
	}
	results := []string{"r1", "r2", "r3", "r4"}
	for _, id := range results {
		f.enqueue(task.Request{Type: "heavy", ID: id, Payload: []byte(`{"Text":""}`)})
	}
	f.worker()
	for _, id := range results {
		f.wait(id)
	}
	all = append(all, results...)
	for _, filter := range []fleet.Filter{{}, {Types: []string{"heavy"}}} {
		var got []string
		for cursor := ""; ; {
			page, err := f.client.List(t.Context(), filter, cursor, 100)
			f.must(err)
			weight := 0
			for _, one := range page.Tasks {
				weight += len(one.Payload) + len(one.Result)
				got = append(got, one.ID)
			}
			if weight > 8<<20 {
				t.Errorf("a page of %d tasks and %d bytes", len(page.Tasks), weight)
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		wantEachOnce(t, got, all)
	}
}

// trips counts round trips.
type trips struct {
	passThrough
	n atomic.Int32
}

func (c *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

func (c *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmds)
	}
}

// Looking for a few among many takes large steps, none of which goes through the whole list.
func TestLongListsAreReadInLargeSteps(t *testing.T) {
	const n = 20_000
	f := newFleet(t)
	for range n / 1000 {
		f.enqueueMany(1000, task.Request{Type: "echo"})
	}
	rdb := f.redis.Connect(t)
	count := &trips{}
	rdb.AddHook(count)
	client := queue.NewClient(rdb, queues)
	defer client.Close()
	for cursor := ""; ; {
		page, err := client.List(t.Context(), fleet.Filter{Types: []string{"block"}}, cursor, 1)
		f.must(err)
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if got := count.n.Swap(0); got > n/50 {
		t.Errorf("a list took %d round trips to find nothing among %d tasks", got, n)
	}
	got, err := client.Bulk(t.Context(), fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Queues: []string{"default"}}, DryRun: true})
	if err != nil || got.Matched != n {
		t.Errorf("%+v, %v", got, err)
	}
	if got := count.n.Load(); got > n/50 {
		t.Errorf("a dry run took %d round trips for %d tasks", got, n)
	}
	if stats := f.redis.Client(t).Info(t.Context(), "commandstats").Val(); strings.Contains(stats, "cmdstat_lpos:") {
		t.Error("the list was searched for a position in it")
	}
}
