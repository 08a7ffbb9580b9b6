package broker_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// pages reads a list to its end and returns the ids in order. between runs after each page.
func (f *workshop) pages(filter fleet.Filter, limit int, between func(page int)) []string {
	f.t.Helper()
	var ids []string
	cursor := ""
	for n := 1; ; n++ {
		page, err := f.client.List(f.t.Context(), filter, cursor, limit)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(page.Tasks) > limit {
			f.t.Fatalf("a page of %d tasks, limit %d", len(page.Tasks), limit)
		}
		for _, t := range page.Tasks {
			ids = append(ids, t.ID)
		}
		if page.NextCursor == "" {
			return ids
		}
		cursor = page.NextCursor
		if between != nil {
			between(n)
		}
	}
}

// counted returns how often each id is there.
func counted(ids []string) map[string]int {
	n := make(map[string]int)
	for _, id := range ids {
		n[id]++
	}
	return n
}

func wantEachOnce(t *testing.T, got []string, want []string) {
	t.Helper()
	counts := counted(got)
	for _, id := range want {
		if counts[id] != 1 {
			t.Errorf("%s is listed %d times", id, counts[id])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d tasks are listed, want %d", len(got), len(want))
	}
}

func TestListLosesAndRepeatsNone(t *testing.T) {
	f := newFleet(t)
	runAt := time.Now().Add(time.Hour)
	var all, scheduled []string
	for i := range 2500 {
		req := task.Request{Type: "echo", ID: fmt.Sprintf("t-%04d", i), Queue: queues[i%3].Name}
		if i%2 == 0 {
			req.RunAt = runAt // all at one time: only the ids tell them apart
			scheduled = append(scheduled, req.ID)
		}
		f.enqueue(req)
		all = append(all, req.ID)
	}
	for _, limit := range []int{1000, 333, 7} {
		wantEachOnce(t, f.pages(fleet.Filter{}, limit, nil), all)
	}
	wantEachOnce(t, f.pages(fleet.Filter{States: []task.State{task.Scheduled}}, 100, nil), scheduled)
	if got := f.pages(fleet.Filter{Queues: []string{"low"}, States: []task.State{task.Succeeded}}, 100, nil); len(got) != 0 {
		t.Errorf("%d succeeded in a queue where nothing ran", len(got))
	}
}

// What is pending shrinks at one end and grows at the other while somebody reads it.
func TestListWhileTheQueueMoves(t *testing.T) {
	f := newFleet(t)
	var all []string
	for i := range 200 {
		all = append(all, f.enqueue(task.Request{Type: "echo", ID: fmt.Sprintf("t-%03d", i)}).ID)
	}
	w := f.rdb // a worker's hand on the queue: the oldest go, new ones come
	got := f.pages(fleet.Filter{States: []task.State{task.Pending}}, 20, func(page int) {
		for range 5 {
			if err := w.RPop(t.Context(), "asynq:{default}:pending").Err(); err != nil {
				t.Fatal(err)
			}
		}
		f.enqueue(task.Request{Type: "echo", ID: fmt.Sprintf("new-%d", page)})
	})
	counts := counted(got)
	// Ten pages at most, and five taken after each: the newest 150 were there all the time.
	for _, id := range all[50:] {
		if counts[id] != 1 {
			t.Errorf("%s is listed %d times", id, counts[id])
		}
	}
}

// The entry at which a page ended may have gone when the next is asked for.
func TestListAfterItsLastEntryHasGone(t *testing.T) {
	for _, state := range []task.State{task.Pending, task.Scheduled} {
		t.Run(string(state), func(t *testing.T) {
			f := newFleet(t)
			var all []string
			for i := range 30 {
				req := task.Request{Type: "echo", ID: fmt.Sprintf("t-%02d", i)}
				if state == task.Scheduled {
					req.Delay = ptr(time.Hour)
				}
				all = append(all, f.enqueue(req).ID)
			}
			slices.Reverse(all) // newest first
			first, err := f.client.List(t.Context(), fleet.Filter{States: []task.State{state}}, "", 10)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.client.Delete(t.Context(), first.Tasks[9].ID); err != nil {
				t.Fatal(err)
			}
			var got []string
			for cursor := first.NextCursor; cursor != ""; {
				page, err := f.client.List(t.Context(), fleet.Filter{States: []task.State{state}}, cursor, 10)
				if err != nil {
					t.Fatal(err)
				}
				for _, one := range page.Tasks {
					got = append(got, one.ID)
				}
				cursor = page.NextCursor
			}
			if !slices.Equal(got, all[10:]) {
				t.Errorf("then come %q, want %q", got, all[10:])
			}
		})
	}
}

func TestListFilters(t *testing.T) {
	f := newFleet(t)
	inState(f)
	for _, s := range task.States {
		if got := f.pages(fleet.Filter{States: []task.State{s}}, 50, nil); !slices.Equal(got, []string{string(s)}) {
			t.Errorf("state %s lists %q", s, got)
		}
	}
	got := counted(f.pages(fleet.Filter{}, 3, nil))
	want := make(map[string]int)
	for _, s := range task.States {
		want[string(s)] = 1
	}
	if !maps.Equal(got, want) {
		t.Errorf("all states list %v", got)
	}
	byType := f.pages(fleet.Filter{Types: []string{"block"}}, 1, nil)
	slices.Sort(byType)
	if !slices.Equal(byType, []string{"retrying", "running"}) {
		t.Errorf("type block lists %q", byType)
	}
	several := f.pages(fleet.Filter{Queues: []string{"low", "critical"}, States: []task.State{task.Retrying, task.Failed, task.Running}, Types: []string{"block", "fail"}}, 1, nil)
	slices.Sort(several)
	if !slices.Equal(several, []string{"failed", "retrying", "running"}) {
		t.Errorf("several of each list %q", several)
	}
	_, err := f.client.List(t.Context(), fleet.Filter{Queues: []string{"default", "nowhere"}}, "", 10)
	if e, ok := errors.AsType[*task.Error](err); !ok || e.Code != task.CodeInvalid || e.Faults[0].Location != "queue" {
		t.Errorf("an unknown queue: %v", err)
	}
}

func TestListRefusesStrangeCursors(t *testing.T) {
	f := newFleet(t)
	for i := range 5 {
		f.enqueue(task.Request{Type: "echo", ID: fmt.Sprint(i)})
	}
	page, err := f.client.List(t.Context(), fleet.Filter{}, "", 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		filter fleet.Filter
		cursor string
	}{
		"no base64":         {fleet.Filter{}, "!"},
		"no JSON":           {fleet.Filter{}, "bm9wZQ"},
		"of another filter": {fleet.Filter{States: []task.State{task.Failed}}, page.NextCursor},
		"of no scan": {fleet.Filter{}, base64.RawURLEncoding.EncodeToString(
			[]byte(`{"q":"default","t":"aggregating","i":"a","g":"a","c":"-1"}`))},
	} {
		if _, err := f.client.List(t.Context(), c.filter, c.cursor, 10); task.CodeOf(err) != task.CodeInvalid {
			t.Errorf("a cursor that is %s: %v", name, err)
		}
	}
}

// Stock asynq and Backbeat on the same queues.

func (f *workshop) stockClient() *asynq.Client {
	c := asynq.NewClient(f.stock())
	f.t.Cleanup(func() { c.Close() })
	return c
}

func (f *workshop) stockInspector() *asynq.Inspector {
	i := asynq.NewInspector(f.stock())
	f.t.Cleanup(func() { i.Close() })
	return i
}

func TestTaskOfAStockClientRunsHere(t *testing.T) {
	f := newFleet(t)
	f.worker()
	info, err := f.stockClient().Enqueue(
		asynq.NewTaskWithHeaders("echo", []byte(`{"n":5}`), map[string]string{"tenant": "a"}),
		asynq.Queue("low"), asynq.MaxRetry(2), asynq.Retention(time.Hour), asynq.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	got := f.wait(info.ID)
	if got.State != task.Succeeded || string(got.Result) != `{"n":5}` || got.Queue != "low" || got.MaxRetries != 2 ||
		got.Metadata["tenant"] != "a" || got.Attempt != 1 {
		t.Errorf("%+v", got)
	}
}

func TestTasksOfAStockClientAreSeenInEachState(t *testing.T) {
	f := newFleet(t)
	client := f.stockClient()
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	for id, opt := range map[string]asynq.Option{"later": asynq.ProcessAt(at), "now": asynq.MaxRetry(1)} {
		if _, err := client.Enqueue(asynq.NewTask("echo", []byte("not JSON")), asynq.TaskID(id), opt, asynq.Queue("foreign")); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.get("later"); got.State != task.Scheduled || !got.RunAt.Equal(at) || string(got.Payload) != `"not JSON"` {
		t.Errorf("later: %+v", got)
	}
	if got := f.get("now"); got.State != task.Pending || got.Queue != "foreign" {
		t.Errorf("now: %+v", got)
	}
	wantEachOnce(t, f.pages(fleet.Filter{}, 1, nil), []string{"later", "now"})
}

func TestStockInspectorShowsTasksFromHere(t *testing.T) {
	f := newFleet(t)
	inState(f)
	inspector := f.stockInspector()
	want := map[string]asynq.TaskState{
		"scheduled": asynq.TaskStateScheduled, "pending": asynq.TaskStatePending, "running": asynq.TaskStateActive,
		"retrying": asynq.TaskStateRetry, "succeeded": asynq.TaskStateCompleted, "failed": asynq.TaskStateArchived,
		"canceled": asynq.TaskStateArchived, "expired": asynq.TaskStateArchived,
	}
	for id, state := range want {
		here := f.get(id)
		got, err := inspector.GetTaskInfo(here.Queue, id)
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		if got.State != state || got.Type != here.Type || string(got.Payload) != `{"n":1}` || got.MaxRetry != here.MaxRetries ||
			got.Timeout != here.Timeout || got.Retention != here.Retention {
			t.Errorf("%s: %+v", id, got)
		}
	}
	// Lists trip over a single entry that asynq cannot read.
	for name, list := range map[string]func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
		"scheduled": inspector.ListScheduledTasks, "pending": inspector.ListPendingTasks, "active": inspector.ListActiveTasks,
		"retry": inspector.ListRetryTasks, "completed": inspector.ListCompletedTasks, "archived": inspector.ListArchivedTasks,
	} {
		for _, q := range []string{"critical", "default"} {
			if _, err := list(q); err != nil {
				t.Errorf("list %s of %s: %v", name, q, err)
			}
		}
	}
	info, err := inspector.GetQueueInfo("critical")
	if err != nil || info.Active != 1 || info.Retry != 1 || info.Completed != 1 || info.Archived != 1 || info.Processed != 3 || info.Failed != 2 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestStockServerRunsTasksFromHere(t *testing.T) {
	f := newFleet(t)
	done := f.enqueue(task.Request{Type: "echo", Metadata: map[string]string{"tenant": "a"}})
	failed := f.enqueue(task.Request{Type: "fail", MaxRetries: ptr(0)})
	tenant := make(chan string, 2)
	server := asynq.NewServer(f.stock(), asynq.Config{
		Queues: map[string]int{"default": 1}, LogLevel: asynq.FatalLevel,
	})
	err := server.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		tenant <- t.Headers()["tenant"]
		if t.Type() == "fail" {
			return errors.New("no luck there")
		}
		_, err := t.ResultWriter().Write([]byte(`{"n":9}`))
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	got := f.wait(done.ID) // nobody announces its end
	if got.State != task.Succeeded || string(got.Result) != `{"n":9}` || got.Attempt != 1 || <-tenant+<-tenant != "a" {
		t.Errorf("%+v", got)
	}
	if got := f.wait(failed.ID); got.State != task.Failed || got.Error.Message != "no luck there" || got.Error.Kind != task.KindError {
		t.Errorf("%+v", got)
	}
}

func TestStockInspectorCancelsAndRunsTasksFromHere(t *testing.T) {
	f := newFleet(t)
	f.worker()
	f.enqueue(task.Request{Type: "block", ID: "a"})
	f.started()
	inspector := f.stockInspector()
	if err := inspector.CancelProcessing("a"); err != nil {
		t.Fatal(err)
	}
	if got := f.wait("a"); got.State != task.Canceled {
		t.Errorf("%s", got.State)
	}
	if err := inspector.RunTask("default", "a"); err != nil {
		t.Fatal(err)
	}
	f.started().release <- nil
	if got := f.wait("a"); got.State != task.Succeeded || got.Attempt != 2 {
		t.Errorf("%s after %d attempts", got.State, got.Attempt)
	}
}
