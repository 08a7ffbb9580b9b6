package broker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// enqueueInGroups puts tasks into groups of the queue "default" with a stock client.
func (f *workshop) enqueueInGroups(groups, each int) (ids []string) {
	f.t.Helper()
	client := f.stockClient()
	var clients sync.WaitGroup
	for part := range 8 {
		for i := part; i < groups*each; i += 8 {
			ids = append(ids, fmt.Sprintf("t-%d", i))
		}
		clients.Go(func() {
			for i := part; i < groups*each; i += 8 {
				_, err := client.Enqueue(asynq.NewTask("echo", []byte(`{"n":1}`)), asynq.TaskID(fmt.Sprintf("t-%d", i)),
					asynq.Group(fmt.Sprintf("group-%d", i%groups)))
				if err != nil {
					f.t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	return ids
}

func (f *workshop) wantAggregating(want int) {
	f.t.Helper()
	status, err := f.client.Queue(f.t.Context(), "default")
	f.must(err)
	if status.Aggregating != want {
		f.t.Errorf("%d are aggregating, want %d", status.Aggregating, want)
	}
}

func TestTasksOfGroups(t *testing.T) {
	f := newFleet(t)
	ids := f.enqueueInGroups(2, 3)
	for _, id := range ids {
		if got := f.get(id); got.State != task.Aggregating || got.Type != "echo" {
			t.Errorf("%+v", got)
		}
	}
	wantEachOnce(t, f.pages(fleet.Filter{}, 2, nil), ids)
	wantEachOnce(t, f.pages(fleet.Filter{States: []task.State{task.Aggregating}, Queues: []string{"default"}}, 4, nil), ids)
	wantEachOnce(t, f.pages(fleet.Filter{States: []task.State{task.Aggregating}, Types: []string{"other"}}, 4, nil), nil)
	wantEachOnce(t, f.pages(fleet.Filter{States: []task.State{task.Pending}}, 4, nil), nil)
	f.wantAggregating(6)

	got, err := f.client.Cancel(t.Context(), "t-0")
	if f.must(err); got.State != task.Canceled {
		t.Errorf("canceled: %+v", got)
	}
	f.must(f.client.Delete(t.Context(), "t-2"))
	_, err = f.client.Get(t.Context(), "t-2")
	f.wantCode(err, task.CodeNotFound)
	for _, id := range []string{"t-1", "t-4"} {
		got, err := f.client.Run(t.Context(), id)
		if f.must(err); got.State != task.Pending {
			t.Errorf("run: %+v", got)
		}
	}
	f.wantAggregating(2)
	groups, err := f.stockInspector().Groups("default")
	if err != nil || len(groups) != 1 || groups[0].Group != "group-1" || groups[0].Size != 2 {
		t.Errorf("asynq sees %v, %v", groups, err)
	}
	f.worker()
	f.waitNoKeys("asynq:*:t:t-1") // without a retention it is dropped
	f.must(f.client.Delete(t.Context(), "t-3"))
	_, err = f.client.Cancel(t.Context(), "t-5")
	f.must(err)
	f.wantAggregating(0)
	f.waitNoKeys("asynq:*:g:*", "asynq:*:groups")
}

type aggregator func(group string, tasks []*asynq.Task) *asynq.Task

func (a aggregator) Aggregate(group string, tasks []*asynq.Task) *asynq.Task { return a(group, tasks) }

// What a stock server is making one task of is shown, and left to it.
func TestGroupThatAServerIsAggregating(t *testing.T) {
	f := newFleet(t)
	ids := f.enqueueInGroups(1, 3)
	begun, released := make(chan int, 1), make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	f.stockServer(func(context.Context, *asynq.Task) error { return errors.New("unexpected") }, func(cfg *asynq.Config) {
		cfg.GroupMaxSize, cfg.GroupGracePeriod = len(ids), time.Second
		cfg.Queues = map[string]int{"default": 1}
		cfg.GroupAggregator = aggregator(func(_ string, tasks []*asynq.Task) *asynq.Task {
			begun <- len(tasks)
			<-released
			return asynq.NewTask("one", nil, asynq.Queue("low"))
		})
	})
	t.Cleanup(release) // before the server waits for it
	select {
	case n := <-begun:
		if n != len(ids) {
			t.Errorf("%d tasks are aggregated", n)
		}
	case <-time.After(patience):
		t.Fatal("the server does not aggregate")
	}
	wantEachOnce(t, f.pages(fleet.Filter{}, 2, nil), ids)
	f.wantAggregating(len(ids))
	_, err := f.client.Cancel(t.Context(), ids[0])
	f.wantCode(err, task.CodeConflict)
	_, err = f.client.Run(t.Context(), ids[0])
	f.wantCode(err, task.CodeConflict)
	f.wantCode(f.client.Delete(t.Context(), ids[0]), task.CodeConflict)
	f.wantBulk(fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{States: []task.State{task.Aggregating}}}, len(ids), 0, len(ids))
	if got := f.get(ids[0]); got.State != task.Aggregating {
		t.Errorf("%+v", got)
	}
	release()
	for _, id := range ids {
		f.waitGone(id)
	}
	f.wantAggregating(0)
}

// A page is read in few steps, however many groups there are.
func TestManyGroups(t *testing.T) {
	f := newFleet(t)
	const groups, each = 700, 3
	ids := f.enqueueInGroups(groups, each)
	wantEachOnce(t, f.pages(fleet.Filter{States: []task.State{task.Aggregating}}, 97, nil), ids)
	f.wantAggregating(groups * each)
	one := fleet.Filter{Types: []string{"echo"}, States: []task.State{task.Aggregating}}
	f.wantBulk(fleet.Bulk{Action: fleet.ActionCancel, Filter: one, DryRun: true}, groups*each, 0, 0)
	f.wantBulk(fleet.Bulk{Action: fleet.ActionCancel, Filter: one}, groups*each, groups*each, 0)
	f.waitNoKeys("asynq:*:g:*", "asynq:*:groups")
	if got := f.inQueues(); got[task.Canceled] != groups*each || len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// Groups that come and go while somebody pages through others hide none.
func TestListWhileGroupsComeAndGo(t *testing.T) {
	f := newFleet(t)
	const groups, each = 300, 4
	ids := f.enqueueInGroups(groups, each)
	inspector := f.stockInspector()
	client := f.stockClient()
	deleted := make(map[string]bool)
	got := counted(f.pages(fleet.Filter{States: []task.State{task.Aggregating}}, 50, func(page int) {
		for i := range each {
			id := fmt.Sprintf("t-%d", page+i*groups)
			deleted[id] = true
			f.must(inspector.DeleteTask("default", id))
		}
		_, err := client.Enqueue(asynq.NewTask("echo", nil), asynq.Group(fmt.Sprintf("new-%d", page)))
		f.must(err)
	}))
	for _, id := range ids {
		if got[id] == 0 && !deleted[id] {
			t.Errorf("%s is not listed", id)
		}
	}
}
