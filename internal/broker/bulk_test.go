package broker_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

func (f *workshop) bulk(change fleet.Bulk) fleet.BulkResult {
	f.t.Helper()
	got, err := f.client.Bulk(f.t.Context(), change)
	if err != nil {
		f.t.Fatalf("%+v: %v", change, err)
	}
	return got
}

func (f *workshop) wantBulk(change fleet.Bulk, matched, changed, skipped int) {
	f.t.Helper()
	if got, want := f.bulk(change), (fleet.BulkResult{Matched: matched, Changed: changed, Skipped: skipped}); got != want {
		f.t.Errorf("%+v: %+v, want %+v", change, got, want)
	}
}

// enqueueMany enqueues n tasks like the request, and returns their ids.
func (f *workshop) enqueueMany(n int, like task.Request) (ids []string) {
	f.t.Helper()
	one := f.prepare(like)
	tasks := make([]*task.Task, n)
	for i := range tasks {
		same := *one
		tasks[i] = &same
	}
	for i, err := range f.client.EnqueueAll(f.t.Context(), tasks) {
		if err != nil {
			f.t.Fatal(err)
		}
		ids = append(ids, tasks[i].ID)
	}
	return ids
}

// inQueues counts tasks by state.
func (f *workshop) inQueues() map[task.State]int {
	f.t.Helper()
	n := make(map[task.State]int)
	for _, state := range task.States {
		if ids := f.pages(fleet.Filter{States: []task.State{state}}, 1000, nil); len(ids) > 0 {
			n[state] = len(ids)
		}
	}
	return n
}

func TestBulkInEachState(t *testing.T) {
	for action, want := range map[fleet.Action]struct {
		matched, changed, skipped int
		left                      map[task.State]int
	}{
		fleet.ActionCancel: {5, 5, 0, map[task.State]int{task.Succeeded: 1, task.Failed: 1, task.Canceled: 6, task.Expired: 1}},
		fleet.ActionRetry: {3, 3, 0, map[task.State]int{
			task.Scheduled: 1, task.Aggregating: 1, task.Pending: 4, task.Running: 1, task.Retrying: 1, task.Succeeded: 1,
		}},
		fleet.ActionDelete: {9, 8, 1, map[task.State]int{task.Running: 1}},
	} {
		t.Run(string(action), func(t *testing.T) {
			f := newFleet(t)
			inState(f)
			if err := f.client.Pause(t.Context(), "critical"); err != nil { // "failed" is there
				t.Fatal(err)
			}
			before := f.inQueues()
			var matched, changed, skipped int
			for _, q := range queues {
				change := fleet.Bulk{Action: action, Filter: fleet.Filter{Queues: []string{q.Name}}, DryRun: true}
				dry := f.bulk(change)
				change.DryRun = false
				got := f.bulk(change)
				if dry.Matched != got.Matched || dry.Skipped != got.Skipped || dry.Changed != 0 {
					t.Errorf("dry run in %s: %+v, then %+v", q.Name, dry, got)
				}
				matched, changed, skipped = matched+got.Matched, changed+got.Changed, skipped+got.Skipped
			}
			if matched != want.matched || changed != want.changed || skipped != want.skipped {
				t.Errorf("%d matched, %d changed, %d skipped", matched, changed, skipped)
			}
			if action == fleet.ActionCancel {
				f.wait("running")
			}
			if left := f.inQueues(); fmt.Sprint(left) != fmt.Sprint(want.left) {
				t.Errorf("left %v, want %v; before %v", left, want.left, before)
			}
		})
	}
}

func TestBulkDryRunChangesNothing(t *testing.T) {
	f := newFleet(t)
	inState(f)
	before := f.inQueues()
	for _, action := range []fleet.Action{fleet.ActionCancel, fleet.ActionRetry, fleet.ActionDelete} {
		for _, typ := range []string{"echo", "block", "fail"} {
			f.bulk(fleet.Bulk{Action: action, Filter: fleet.Filter{Types: []string{typ}}, DryRun: true})
		}
	}
	if after := f.inQueues(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%v became %v", before, after)
	}
}

func TestBulkFilters(t *testing.T) {
	f := newFleet(t)
	f.enqueueMany(30, task.Request{Type: "echo"})
	f.enqueueMany(20, task.Request{Type: "block"})
	f.enqueueMany(7, task.Request{Type: "echo", Delay: ptr(time.Hour)})
	f.enqueueMany(5, task.Request{Type: "echo", Queue: "low"})
	cancel := func(filter fleet.Filter, olderThan time.Duration) fleet.Bulk {
		return fleet.Bulk{Action: fleet.ActionCancel, Filter: filter, OlderThan: olderThan}
	}
	f.wantBulk(cancel(fleet.Filter{Queues: []string{"default"}}, time.Hour), 0, 0, 0)
	f.wantBulk(cancel(fleet.Filter{Queues: []string{"critical"}}, 0), 0, 0, 0)
	f.wantBulk(cancel(fleet.Filter{Queues: []string{"default"}, States: []task.State{task.Pending}, Types: []string{"echo"}}, 0), 30, 30, 0)
	f.wantBulk(cancel(fleet.Filter{Queues: []string{"low"}, States: []task.State{task.Scheduled}}, 0), 0, 0, 0)
	f.wantBulk(cancel(fleet.Filter{Types: []string{"echo"}}, time.Nanosecond), 12, 12, 0)
	if got := f.inQueues(); got[task.Pending] != 20 || got[task.Canceled] != 42 || len(got) != 2 {
		t.Errorf("%v", got)
	}
	// Of those that are over, the end counts.
	f.wantBulk(fleet.Bulk{Action: fleet.ActionDelete, Filter: fleet.Filter{States: []task.State{task.Canceled}}, OlderThan: time.Hour}, 0, 0, 0)
	f.waitUntil(time.Now().Add(5 * time.Millisecond))
	f.wantBulk(fleet.Bulk{Action: fleet.ActionDelete, Filter: fleet.Filter{States: []task.State{task.Canceled}}, OlderThan: time.Millisecond}, 42, 42, 0)
	f.wantBulk(cancel(fleet.Filter{States: []task.State{task.Pending}}, 0), 20, 20, 0)
	f.wantBulk(fleet.Bulk{Action: fleet.ActionRetry, Filter: fleet.Filter{States: []task.State{task.Canceled}, Types: []string{"block"}}}, 20, 20, 0)
	f.wantBulk(fleet.Bulk{Action: fleet.ActionRetry, Filter: fleet.Filter{States: []task.State{task.Failed}}}, 0, 0, 0)
	if got := f.inQueues(); got[task.Pending] != 20 || len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestBulkFaults(t *testing.T) {
	f := newFleet(t)
	for _, tt := range []struct {
		change   fleet.Bulk
		location string
	}{
		{fleet.Bulk{Action: fleet.ActionDelete}, "filter"},
		{fleet.Bulk{Action: fleet.ActionDelete, OlderThan: time.Hour}, "filter"},
		{fleet.Bulk{Action: fleet.ActionDelete, Filter: fleet.Filter{States: []task.State{task.Running}}}, "filter.state"},
		{fleet.Bulk{Action: fleet.ActionRetry, Filter: fleet.Filter{States: []task.State{task.Running}}}, "filter.state"},
		{fleet.Bulk{Action: fleet.ActionRetry, Filter: fleet.Filter{States: []task.State{task.Succeeded}}}, "filter.state"},
		{fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{States: []task.State{task.Failed}}}, "filter.state"},
		{fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Queues: []string{"a}b"}}}, "filter.queue"},
	} {
		_, err := f.client.Bulk(t.Context(), tt.change)
		e, ok := errors.AsType[*task.Error](err)
		if !ok || e.Code != task.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Location != tt.location {
			t.Errorf("%+v: %v", tt.change, err)
		}
	}
}

// scale notes how much Redis is asked to do at once.
type scale struct {
	mu            sync.Mutex
	scripts       int
	tasks, weight int // of the heaviest script
	pipeline      int // commands of the longest
	each          func(script int)
}

func (s *scale) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (s *scale) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		args := cmd.Args()
		if len(args) > 9 && cmd.Name() == "evalsha" {
			if _, changes := args[9].(int); changes { // others have no stride
				s.note(args[4:]) // behind the name, the hash, the number of keys and the key
			}
		}
		return next(ctx, cmd)
	}
}

func (s *scale) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		s.mu.Lock()
		s.pipeline = max(s.pipeline, len(cmds))
		s.mu.Unlock()
		return next(ctx, cmds)
	}
}

func (s *scale) note(argv []any) {
	s.mu.Lock()
	stride, _ := argv[5].(int)
	s.tasks = max(s.tasks, (len(argv)-6)/max(1, stride))
	weight := 0
	for _, a := range argv {
		switch a := a.(type) {
		case string:
			weight += len(a)
		case []byte:
			weight += len(a)
		}
	}
	s.weight = max(s.weight, weight)
	s.scripts++
	n := s.scripts
	s.mu.Unlock()
	if s.each != nil {
		s.each(n)
	}
}

// measured returns a client whose scripts are noted.
func (f *workshop) measured(s *scale) *queue.Client {
	rdb := f.redis.Connect(f.t)
	rdb.AddHook(s)
	c := queue.NewClient(rdb, queues)
	f.t.Cleanup(c.Close)
	return c
}

// Half of a long queue goes, and the other half stays as it was, in its order.
func TestBulkOfManyTasksInSmallSteps(t *testing.T) {
	const n = 6000
	f := newFleet(t)
	stays := make(map[string]bool)
	for range n / 500 {
		f.enqueueMany(500, task.Request{Type: "echo"})
		for _, id := range f.enqueueMany(500, task.Request{Type: "block"}) {
			stays[id] = true
		}
	}
	f.enqueueMany(2000, task.Request{Type: "echo", RunAt: time.Now().Add(time.Hour)}) // all at one time
	pending := func() []string { return f.rdb.LRange(t.Context(), "asynq:{default}:pending", 0, -1).Val() }
	want := slices.DeleteFunc(pending(), func(id string) bool { return !stays[id] })
	s := &scale{}
	client := f.measured(s)
	for _, step := range []struct {
		change fleet.Bulk
		want   int
	}{
		{fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Types: []string{"echo"}}}, n + 2000},
		{fleet.Bulk{Action: fleet.ActionRetry, Filter: fleet.Filter{Types: []string{"echo"}, States: []task.State{task.Canceled}}}, n + 2000},
		{fleet.Bulk{Action: fleet.ActionDelete, Filter: fleet.Filter{Types: []string{"echo"}}}, n + 2000},
	} {
		got, err := client.Bulk(t.Context(), step.change)
		if err != nil || got.Matched != step.want || got.Changed != step.want {
			t.Fatalf("%+v: %+v, %v", step.change, got, err)
		}
	}
	if !slices.Equal(pending(), want) {
		t.Error("what stayed is no longer in its order")
	}
	// One by one, each task would be looked for in the whole queue.
	stats := f.redis.Client(t).Info(t.Context(), "commandstats").Val()
	if _, after, _ := strings.Cut(stats, "cmdstat_lrem:calls="); atoi(after) > s.scripts {
		t.Errorf("%d scripts searched the queue %d times", s.scripts, atoi(after))
	}
	if s.scripts == 0 || s.tasks > 200 || s.pipeline > 200 {
		t.Errorf("%d scripts, the largest of %d tasks; a pipeline of %d", s.scripts, s.tasks, s.pipeline)
	}
	if left := f.inQueues(); left[task.Pending] != n || len(left) != 1 {
		t.Errorf("left %v", left)
	}
}

// atoi reads the number that a text begins with.
func atoi(text string) (n int) {
	fmt.Sscan(strings.FieldsFunc(text+",", func(r rune) bool { return r == ',' })[0], &n)
	return n
}

// What moves between the look at it and the change is skipped if a state was asked for.
func TestBulkSkipsWhatHasMovedOn(t *testing.T) {
	f := newFleet(t)
	ids := f.enqueueMany(20, task.Request{Type: "echo", Delay: ptr(time.Hour)})
	s := &scale{each: func(int) {
		for _, id := range ids[:8] {
			if _, err := f.client.Run(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
	}}
	got, err := f.measured(s).Bulk(t.Context(), fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{States: []task.State{task.Scheduled}}})
	if err != nil || got != (fleet.BulkResult{Matched: 20, Changed: 12, Skipped: 8}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got := f.inQueues(); got[task.Pending] != 8 || got[task.Canceled] != 12 {
		t.Errorf("%v", got)
	}
}

// What spoils one task leaves the others alone, and the task in its queue.
func TestBulkWithAKeyOfAWrongType(t *testing.T) {
	f := newFleet(t)
	f.enqueueMany(3, task.Request{Type: "echo"})
	bad := f.enqueue(task.Request{Type: "echo", UniqueFor: ptr(time.Hour)})
	f.enqueueMany(3, task.Request{Type: "echo"})
	lock := f.rdb.HGet(t.Context(), "asynq:{default}:t:"+bad.ID, "unique_key").Val()
	f.rdb.Del(t.Context(), lock)
	if err := f.rdb.LPush(t.Context(), lock, "x").Err(); err != nil {
		t.Fatal(err)
	}
	f.wantBulk(fleet.Bulk{Action: fleet.ActionDelete, Filter: fleet.Filter{Queues: []string{"default"}}}, 7, 6, 1)
	f.worker()
	if got := f.wait(bad.ID); got.State != task.Succeeded {
		t.Errorf("%s", got.State)
	}
}

// A retry that comes due meanwhile goes to where the change has been already.
func TestBulkCancelFindsRetriesThatComeDue(t *testing.T) {
	f := newFleet(t)
	w := f.worker()
	retrying := f.enqueueMany(8, task.Request{Type: "block"})
	for range retrying {
		f.started().release <- task.RetryAfter(time.Hour, errors.New("later"))
	}
	for _, id := range retrying {
		f.waitState(id, task.Retrying)
	}
	w.Stop()
	f.enqueueMany(8, task.Request{Type: "block"})
	s := &scale{each: func(script int) {
		for _, id := range retrying {
			if script == 1 {
				f.client.Run(t.Context(), id)
			}
		}
	}}
	got, err := f.measured(s).Bulk(t.Context(), fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Types: []string{"block"}}})
	if err != nil || got != (fleet.BulkResult{Matched: 16, Changed: 16}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got := f.inQueues(); got[task.Canceled] != 16 || len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestBulkOfHeavyTasks(t *testing.T) {
	f := newFleet(t)
	define(f, "text", func(context.Context, struct{ Text string }) (task.None, error) { return task.None{}, nil })
	text := `{"Text":"` + strings.Repeat("x", 512<<10) + `"}`
	for range 2 {
		f.enqueueMany(15, task.Request{Type: "text", Payload: []byte(text)})
	}
	f.wantBulk(fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Types: []string{"text"}}}, 30, 30, 0)
	s := &scale{}
	got, err := f.measured(s).Bulk(t.Context(), fleet.Bulk{Action: fleet.ActionRetry, Filter: fleet.Filter{States: []task.State{task.Canceled}}})
	if err != nil || got.Changed != 30 {
		t.Fatalf("%+v, %v", got, err)
	}
	if s.weight > 10<<20 { // what was stored and what is to be, 4 MiB each and up to one task more
		t.Errorf("%d bytes in one script", s.weight)
	}
}

// Workers take tasks while they are canceled: each ends in one way, and is counted once.
func TestBulkCancelWhileTasksRun(t *testing.T) {
	f := newFleet(t)
	ids := f.enqueueMany(4000, task.Request{Type: "echo"})
	f.enqueueMany(8, task.Request{Type: "block", Queue: "critical"})
	done := f.waiting(ids[0])
	f.worker(func(cfg *worker.Config) { cfg.Concurrency = 32 })
	<-done // they are at it
	got := f.bulk(fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Types: []string{"echo"}}})
	if got.Matched != got.Changed+got.Skipped {
		t.Errorf("%+v", got)
	}
	for _, id := range ids {
		f.wait(id)
	}
	left := f.inQueues()
	if left[task.Canceled]+left[task.Succeeded] != len(ids) || left[task.Canceled] != got.Changed {
		t.Errorf("%+v, and then %v", got, left)
	}
	f.wantBulk(fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Types: []string{"block"}}}, 8, 8, 0)
	for id := range counted(f.pages(fleet.Filter{Types: []string{"block"}}, 100, nil)) {
		if got := f.wait(id); got.State != task.Canceled {
			t.Errorf("%s is %s", id, got.State)
		}
	}
}

// What fails again at once, because somebody works on it meanwhile, is not tried a third time.
func TestBulkRetryDoesNotChaseItsTail(t *testing.T) {
	const n = 1000
	f := newFleet(t)
	f.worker()
	ids := f.enqueueMany(n, task.Request{Type: "fail", MaxRetries: ptr(0)})
	for _, id := range ids {
		f.wait(id)
	}
	s := &scale{each: func(int) {
		// Everything that was put back so far has failed once more before the walk goes on.
		for f.rdb.LLen(t.Context(), "asynq:{default}:pending").Val()+f.rdb.LLen(t.Context(), "asynq:{default}:active").Val() > 0 {
			f.yield()
		}
	}}
	got, err := f.measured(s).Bulk(t.Context(), fleet.Bulk{Action: fleet.ActionRetry, Filter: fleet.Filter{States: []task.State{task.Failed}}})
	if err != nil || got != (fleet.BulkResult{Matched: n, Changed: n}) {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, id := range ids {
		if got := f.wait(id); got.TotalAttempts != 2 {
			t.Errorf("%s was tried %d times", id, got.TotalAttempts)
		}
	}
}

// Tasks that come all the time neither keep it at work nor hide those that were there.
func TestBulkCancelWhileTasksCome(t *testing.T) {
	const n = 2000
	f := newFleet(t)
	ids := f.enqueueMany(n, task.Request{Type: "echo"})
	s := &scale{each: func(int) { f.enqueueMany(500, task.Request{Type: "echo"}) }} // more than go
	got, err := f.measured(s).Bulk(t.Context(), fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Types: []string{"echo"}}})
	if err != nil || got != (fleet.BulkResult{Matched: n, Changed: n}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, id := range ids {
		if got := f.get(id); got.State != task.Canceled {
			t.Fatalf("%s is %s", id, got.State)
		}
	}
}

// A worker that stops puts what it had fetched back at the head of the queue, which is the end of the way through it.
func TestBulkCancelWhileTasksAreHandedBack(t *testing.T) {
	const n = 500
	f := newFleet(t)
	f.enqueueMany(n, task.Request{Type: "echo"})
	const pending = "asynq:{default}:pending"
	fetched := f.rdb.RPopCount(t.Context(), pending, 100).Val()
	s := &scale{each: func(script int) {
		if script == 2 {
			f.rdb.RPush(t.Context(), pending, fetched)
		}
	}}
	got, err := f.measured(s).Bulk(t.Context(), fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Queues: []string{"default"}}})
	if err != nil || got != (fleet.BulkResult{Matched: n, Changed: n}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBulkEndsWithItsCaller(t *testing.T) {
	const n = 2000
	f := newFleet(t)
	f.enqueueMany(n, task.Request{Type: "echo"})
	ctx, hangUp := context.WithCancel(t.Context())
	s := &scale{each: func(script int) {
		if script == 3 {
			hangUp()
		}
	}}
	cancel := fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Queues: []string{"default"}}}
	first, err := f.measured(s).Bulk(ctx, cancel)
	if !errors.Is(err, context.Canceled) || first.Changed == 0 || first.Changed >= n {
		t.Fatalf("%+v, %v", first, err)
	}
	left := f.inQueues()[task.Pending]
	f.wantBulk(cancel, left, left, 0)
	if got := f.inQueues(); got[task.Canceled] != n || len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// What another asynq client made is canceled and deleted like the rest, and has no age until it is over.
func TestBulkOnTasksOfOthers(t *testing.T) {
	f := newFleet(t)
	stock := asynq.NewClient(f.stock())
	defer stock.Close()
	for range 3 {
		if _, err := stock.Enqueue(asynq.NewTask("stock", nil)); err != nil {
			t.Fatal(err)
		}
	}
	cancel := fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Types: []string{"stock"}}, OlderThan: time.Nanosecond}
	f.wantBulk(cancel, 0, 0, 0)
	cancel.OlderThan = 0
	f.wantBulk(cancel, 3, 3, 0)
	f.waitUntil(time.Now().Add(5 * time.Millisecond))
	f.wantBulk(fleet.Bulk{Action: fleet.ActionDelete, Filter: fleet.Filter{Types: []string{"stock"}}, OlderThan: time.Millisecond}, 3, 3, 0)
}
