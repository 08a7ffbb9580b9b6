package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// failpoint is a connection to Redis that breaks at the scripts that work on a queue.
type failpoint struct {
	before, after atomic.Bool // breaks before the script is sent, or before its answer arrives
}

var errBroken = errors.New("the connection is broken")

func (f *failpoint) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f *failpoint) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (f *failpoint) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		script := strings.HasPrefix(cmd.Name(), "eval") && strings.HasPrefix(fmt.Sprint(cmd.Args()[3]), "asynq:{")
		if script && f.before.Load() {
			cmd.SetErr(errBroken)
			return errBroken
		}
		err := next(ctx, cmd)
		if script && err == nil && f.after.Load() {
			cmd.SetErr(errBroken)
			return errBroken
		}
		return err
	}
}

// desk is one of several clients that take the requests of the same callers.
type desk struct {
	*workshop
	client *queue.Client
	fail   *failpoint
	rdb    redis.UniversalClient
}

func (f *workshop) desk() *desk {
	rdb := f.redis.Connect(f.t, once)
	d := &desk{f, nil, &failpoint{}, rdb}
	rdb.AddHook(d.fail)
	d.client = queue.NewClient(rdb, queues)
	f.t.Cleanup(func() {
		d.client.Close()
		rdb.Close()
	})
	return d
}

// send hands a request in under a key of its caller; body stands for the request.
func (d *desk) send(caller, key, body string, req task.Request) (*task.Task, bool, error) {
	return d.sendAndWait(caller, key, body, req, 0)
}

func (d *desk) sendAndWait(caller, key, body string, req task.Request, limit time.Duration) (*task.Task, bool, error) {
	if req.Payload == nil {
		req.Payload = []byte(`{"n":1}`)
	}
	return d.client.EnqueueOnce(d.t.Context(), catalog.Idempotency{Caller: caller, Key: key, Request: []byte(body)},
		func(now time.Time) (*task.Task, error) { return d.registry.Prepare(req, now) }, limit)
}

func (d *desk) mustSend(key, body string, req task.Request) (*task.Task, bool) {
	d.t.Helper()
	t, replayed, err := d.send("ann", key, body, req)
	d.must(err)
	return t, replayed
}

func TestManyRequestsWithOneKeyMakeOneTask(t *testing.T) {
	for name, req := range map[string]task.Request{
		"an id of ours":  {Type: "echo"},
		"a chosen id":    {Type: "echo", ID: "order-17"},
		"a unique one":   {Type: "echo", UniqueFor: ptr(time.Hour)},
		"a chosen, late": {Type: "echo", ID: "order-18", Delay: ptr(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			desks := []*desk{f.desk(), f.desk()}
			const n = 250 // at each
			var fresh atomic.Int32
			var ids sync.Map
			var senders sync.WaitGroup
			for i := range n * len(desks) {
				senders.Go(func() {
					made, replayed, err := desks[i%2].send("ann", "k", "{}", req)
					if err != nil {
						t.Error(err)
						return
					}
					ids.Store(made.ID, true)
					if !replayed {
						fresh.Add(1)
					}
				})
			}
			senders.Wait()
			var all []any
			ids.Range(func(id, _ any) bool { all = append(all, id); return true })
			tasks := f.keys("asynq:{default}:t:*")
			if len(all) != 1 || fresh.Load() != 1 || len(tasks) != 1 {
				t.Errorf("ids %v, %d made a task, tasks %q", all, fresh.Load(), tasks)
			}
			if claims := f.keys("backbeat:*:reserved:*"); len(claims) > 0 {
				t.Errorf("reservations are left: %q", claims)
			}
		})
	}
}

// The next request goes on from where the first was stopped, as the first had decided.
func TestKeyWhoseFirstRequestBroke(t *testing.T) {
	for name, req := range map[string]task.Request{
		"an id of ours": {Type: "echo", Delay: ptr(time.Hour)},
		"a chosen id":   {Type: "echo", ID: "order-17", Delay: ptr(time.Hour)},
	} {
		t.Run(name+", before the enqueue", func(t *testing.T) {
			f := newFleet(t)
			first, second := f.desk(), f.desk()
			first.fail.before.Store(true)
			began := time.Now()
			_, _, err := first.send("ann", "k", "{}", req)
			broke := time.Now()
			f.wantCode(err, task.CodeUnavailable)
			f.waitUntil(broke.Add(time.Millisecond)) // times are kept in whole ones
			made, replayed := second.mustSend("k", "{}", req)
			if replayed {
				t.Error("a task that was never made is said to have been")
			}
			if at := made.RunAt.Add(-time.Hour); at.Before(began.Truncate(time.Millisecond)) || at.After(broke) {
				t.Errorf("the delay counts from %s, and the first request was sent from %s to %s", at, began, broke)
			}
			if got := f.get(made.ID); got.State != task.Scheduled || !got.RunAt.Equal(made.RunAt) {
				t.Errorf("it is %s and to run at %s, not %s", got.State, got.RunAt, made.RunAt)
			}
		})
		t.Run(name+", after the enqueue", func(t *testing.T) {
			f := newFleet(t)
			first, second := f.desk(), f.desk()
			first.fail.after.Store(true)
			_, _, err := first.send("ann", "k", "{}", req)
			f.wantCode(err, task.CodeUnavailable)
			made, replayed := second.mustSend("k", "{}", req)
			if tasks := f.keys("asynq:{default}:t:*"); !replayed || len(tasks) != 1 {
				t.Errorf("replayed %v, task %s, tasks %q", replayed, made.ID, tasks)
			}
		})
	}
}

func TestReplayTellsHowTheTaskIsNow(t *testing.T) {
	f := newFleet(t)
	d := f.desk()
	first, _ := d.mustSend("k", `{"a":1}`, task.Request{Type: "echo", Payload: []byte(`{"n":7}`)})
	f.worker()
	f.wait(first.ID)
	again, replayed := d.mustSend("k", ` {"a" : 1}`, task.Request{Type: "echo", Payload: []byte(`{"n":7}`)})
	if !replayed || again.ID != first.ID || again.State != task.Succeeded || string(again.Result) != `{"n":7}` {
		t.Errorf("replayed %v: %+v", replayed, again)
	}
}

// A task that has come, run and gone does not run again; the answer is the task as it was accepted.
func TestReplayAfterTheTaskIsGone(t *testing.T) {
	f := newFleet(t)
	d := f.desk()
	for _, req := range []task.Request{
		{Type: "echo", Retention: ptr(time.Duration(0))},
		{Type: "echo", Retention: ptr(time.Duration(0)), ID: "order-17"},
	} {
		first, _ := d.mustSend("k"+req.ID, "{}", req)
		f.worker()
		f.waitGone(first.ID)
		again, replayed := d.mustSend("k"+req.ID, "{}", req)
		if !replayed || again.ID != first.ID || again.State != task.Pending || !again.CreatedAt.Equal(first.CreatedAt) {
			t.Errorf("replayed %v: %+v, want %+v", replayed, again, first)
		}
		f.wantPending(0)
	}
}

// The first request waits for the end even of a task that leaves nothing behind, and so does a later one for a task that is
// not over.
func TestKeyedRequestsWait(t *testing.T) {
	f := newFleet(t)
	d := f.desk()
	d.client.Watchers().Every = announcedOnly
	late := task.Request{Type: "echo", ID: "late", Delay: ptr(200 * time.Millisecond)}
	if first, replayed, err := d.sendAndWait("ann", "late", "{}", late, time.Millisecond); err != nil || replayed || first.State != task.Scheduled {
		t.Errorf("replayed %v: %+v, %v", replayed, first, err)
	}
	f.worker()
	if again, replayed, err := d.sendAndWait("ann", "late", "{}", late, patience); err != nil || !replayed || again.State != task.Succeeded {
		t.Errorf("replayed %v: %+v, %v", replayed, again, err)
	}
	for _, id := range []string{"", "order-17"} {
		fleeting := task.Request{Type: "echo", ID: id, Retention: ptr(time.Duration(0))}
		first, replayed, err := d.sendAndWait("ann", "fleeting"+id, "{}", fleeting, patience)
		if err != nil || replayed || first.State != task.Succeeded || string(first.Result) != `{"n":1}` {
			t.Errorf("replayed %v: %+v, %v", replayed, first, err)
		}
	}
	if n := d.client.Watchers().Len(); n > 0 {
		t.Errorf("%d tasks are still watched", n)
	}
}

// An id may be used again when its task is gone, in another queue too. The key stands for the task that it made.
func TestReplayWhenTheIDIsAnothersByNow(t *testing.T) {
	for _, queue := range []string{"default", "low"} {
		f := newFleet(t)
		d := f.desk()
		req := task.Request{Type: "echo", ID: "order-17"}
		first, _ := d.mustSend("k", "{}", req)
		f.must(f.client.Delete(t.Context(), "order-17"))
		f.waitUntil(first.CreatedAt.Add(time.Millisecond)) // tasks are told apart by when they were made
		f.enqueue(task.Request{Type: "echo", ID: "order-17", Queue: queue, Metadata: map[string]string{"by": "another"}})
		again, replayed := d.mustSend("k", "{}", req)
		if !replayed || again.Metadata != nil || !again.CreatedAt.Equal(first.CreatedAt) {
			t.Errorf("%s: replayed %v: %+v", queue, replayed, again)
		}
	}
}

// The queue too is as the first request had it, even if the type's default has changed since.
func TestReplayStaysInTheQueueOfTheFirst(t *testing.T) {
	f := newFleet(t)
	d := f.desk()
	first, _ := d.mustSend("k", "{}", task.Request{Type: "echo"})
	again, replayed := d.mustSend("k", "{}", task.Request{Type: "echo", Queue: "low"})
	if !replayed || again.ID != first.ID || again.Queue != "default" {
		t.Errorf("replayed %v: %s in %s", replayed, again.ID, again.Queue)
	}
}

func TestKeysOfOthers(t *testing.T) {
	f := newFleet(t)
	d := f.desk()
	req := task.Request{Type: "echo"}
	first, _ := d.mustSend("k", `{"a":1}`, req)
	if _, _, err := d.send("ann", "k", `{"a":2}`, req); !errors.Is(err, catalog.ErrKeyReused) {
		t.Errorf("another request under the key: %v", err)
	}
	if _, _, err := d.send("ann", "k", `{"a":2}`, task.Request{Type: "none"}); task.CodeOf(err) != task.CodeInvalid {
		t.Errorf("a request at fault under the key of another: %v", err)
	}
	for _, who := range [][2]string{{"bob", "k"}, {"", "k"}, {"ann", "K"}, {"annk", ""}} {
		other, replayed, err := d.send(who[0], who[1], `{"a":2}`, req)
		if err != nil || replayed || other.ID == first.ID {
			t.Errorf("%q: %v, replayed %v", who, err, replayed)
		}
	}
	f.wantPending(5)
}

// What is refused because of how things stand may be accepted later.
func TestRefusedRequestTriesAgain(t *testing.T) {
	f := newFleet(t)
	d := f.desk()
	unique := f.enqueue(task.Request{Type: "echo", Payload: []byte(`{"n":1}`), UniqueFor: ptr(time.Hour)})
	f.enqueue(task.Request{Type: "echo", ID: "here"})
	f.enqueue(task.Request{Type: "echo", ID: "there", Queue: "low"})
	for id, req := range map[string]task.Request{
		unique.ID: {Type: "echo", Payload: []byte(`{"n":1}`), UniqueFor: ptr(time.Hour)},
		"here":    {Type: "echo", ID: "here"},
		"there":   {Type: "echo", ID: "there"},
	} {
		for range 2 {
			_, _, err := d.send("ann", id, "{}", req)
			f.wantCode(err, task.CodeConflict)
		}
		f.must(f.client.Delete(t.Context(), id))
		if _, replayed := d.mustSend(id, "{}", req); replayed {
			t.Errorf("%s: a refused request is said to have made a task", id)
		}
		if _, replayed := d.mustSend(id, "{}", req); !replayed {
			t.Errorf("%s: made a second time", id)
		}
	}
}

// The request is the same when its expires_at has passed; a new one with it is at fault, and leaves no claim.
func TestReplayOfWhatWouldBeAtFaultNow(t *testing.T) {
	f := newFleet(t)
	d := f.desk()
	req := task.Request{Type: "echo", ExpiresAt: time.Now().Add(50 * time.Millisecond)}
	first, _ := d.mustSend("k", "{}", req)
	f.waitUntil(req.ExpiresAt.Add(time.Millisecond))
	again, replayed := d.mustSend("k", "{}", req)
	if !replayed || again.ID != first.ID || again.State != task.Expired {
		t.Errorf("replayed %v: %+v", replayed, again)
	}
	_, _, err := d.send("ann", "new", "{}", req)
	f.wantCode(err, task.CodeInvalid)
	if _, replayed := d.mustSend("new", `{"other":1}`, task.Request{Type: "echo"}); replayed {
		t.Error("a request at fault has claimed its key")
	}
}

// What is remembered goes by itself, and the queue remembers longer than the key stands.
func TestKeysEnd(t *testing.T) {
	f := newFleet(t)
	f.desk().mustSend("k", "{}", task.Request{Type: "echo"})
	ttl := func(pattern string) time.Duration {
		keys := f.keys(pattern)
		if len(keys) != 1 {
			t.Fatalf("%s: %q", pattern, keys)
		}
		return f.rdb.PTTL(t.Context(), keys[0]).Val()
	}
	key, once := ttl("backbeat:idempotency:*"), ttl("backbeat:{default}:once:*")
	if key <= 23*time.Hour || key > 24*time.Hour || once <= key || once > 25*time.Hour {
		t.Errorf("the key stands for %s, and the queue remembers for %s", key, once)
	}
}

func TestSpoiltClaim(t *testing.T) {
	f := newFleet(t)
	d := f.desk()
	d.mustSend("k", "{}", task.Request{Type: "echo"})
	for _, key := range f.keys("backbeat:idempotency:*") {
		for _, garbage := range []string{"", "{}", "null", "[", "17"} {
			f.must(f.rdb.Set(t.Context(), key, garbage, 0).Err())
			_, _, err := d.send("ann", "k", "{}", task.Request{Type: "echo"})
			f.wantCode(err, task.CodeUnavailable)
		}
	}
	f.wantPending(1)
}

// "-" and "once" are ids like others.
func TestIDsThatLookLikeForms(t *testing.T) {
	f := newFleet(t)
	for _, id := range []string{"-", "+", "once"} {
		at := f.enqueue(task.Request{Type: "echo", ID: id, Delay: ptr(time.Hour)})
		if got := f.get(id); got.State != task.Scheduled || !got.RunAt.Equal(at.RunAt.Truncate(time.Millisecond)) {
			t.Errorf("%q is %s, to run at %s", id, got.State, got.RunAt)
		}
	}
}
