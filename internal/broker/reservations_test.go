package broker_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// dials counts connections that are begun.
type dials struct {
	passThrough
	begun chan struct{}
}

func (d dials) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		d.begun <- struct{}{}
		return next(ctx, network, addr)
	}
}

type passThrough struct{}

func (passThrough) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (passThrough) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (passThrough) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// While Redis stalls, go-redis sends a command again, and then both arrive.
func TestChosenIDWhileRedisStalls(t *testing.T) {
	f := newFleet(t)
	rdb := redis.NewClient(&redis.Options{Addr: f.redis.Addr(), ReadTimeout: 100 * time.Millisecond, MaxRetries: 1000})
	t.Cleanup(func() { rdb.Close() })
	client := queue.NewClient(rdb, queues)
	defer client.Close()
	f.must(client.Enqueue(t.Context(), f.prepare(task.Request{Type: "echo", ID: "before"})))
	hook := dials{begun: make(chan struct{}, 1000)}
	rdb.AddHook(hook)

	f.redis.Freeze()
	answer := make(chan error, 1)
	go func() { answer <- client.Enqueue(t.Context(), f.prepare(task.Request{Type: "echo", ID: "own"})) }()
	<-hook.begun // for the second time that it is sent; the first was sent by a connection that there was
	f.redis.Thaw()
	if err := <-answer; err != nil {
		t.Errorf("%v", err)
	}
	f.get("own")
	f.waitNoKeys("backbeat:*:reserved:*")
}

// Whoever comes first has the id, and never do two tasks have it.
func TestOneIDInManyQueuesAtOnce(t *testing.T) {
	f := newFleet(t)
	desks := []*desk{f.desk(), f.desk()}
	for n := range 30 {
		id := fmt.Sprint("order-", n)
		var accepted atomic.Int32
		var asking sync.WaitGroup
		for i := range 12 {
			asking.Go(func() {
				err := desks[i%2].client.Enqueue(t.Context(), f.prepare(task.Request{
					Type: "echo", ID: id, Queue: queues[i%3].Name, Payload: fmt.Appendf(nil, `{"n":%d}`, i),
				}))
				if err == nil {
					accepted.Add(1)
				} else if task.CodeOf(err) != task.CodeConflict {
					t.Errorf("%s: %v", id, err)
				}
			})
		}
		asking.Wait()
		found := f.keys("asynq:*:t:" + id)
		if accepted.Load() != 1 || len(found) != 1 {
			t.Errorf("%s: %d were accepted, and there are %q", id, accepted.Load(), found)
		}
	}
	f.waitNoKeys("backbeat:*:reserved:*")
}

// lapse lets reservations end before the first script that enqueues.
type lapse struct {
	passThrough
	f    *workshop
	once sync.Once
}

func (l *lapse) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if strings.HasPrefix(cmd.Name(), "eval") && strings.HasSuffix(fmt.Sprint(cmd.Args()[3]), "}:pending") {
			l.once.Do(func() { l.f.must(l.f.rdb.Del(ctx, "backbeat:{default}:reserved:own").Err()) })
		}
		return next(ctx, cmd)
	}
}

// A request that took too long has no claim to the id any more, and looks again whether it is free.
func TestReservationThatHasEnded(t *testing.T) {
	for name, send := range map[string]func(*desk) error{
		"alone": func(d *desk) error {
			return d.client.Enqueue(d.t.Context(), d.prepare(task.Request{Type: "echo", ID: "own"}))
		},
		"with a key": func(d *desk) error {
			_, _, err := d.send("ann", "k", "{}", task.Request{Type: "echo", ID: "own"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			d := f.desk()
			d.rdb.AddHook(&lapse{f: f})
			if err := send(d); err != nil {
				t.Error(err)
			}
			f.get("own")
			f.waitNoKeys("backbeat:*:reserved:*")
		})
	}
}

// An id that another request has reserved and not used is free again soon.
func TestReservationOfARequestThatDied(t *testing.T) {
	f := newFleet(t)
	f.must(f.rdb.Set(t.Context(), "backbeat:{default}:reserved:own", "another", 300*time.Millisecond).Err())
	f.must(f.rdb.Set(t.Context(), "backbeat:{low}:reserved:too", "another", 300*time.Millisecond).Err())
	for _, err := range f.client.EnqueueAll(t.Context(), []*task.Task{
		f.prepare(task.Request{Type: "echo", ID: "own"}), f.prepare(task.Request{Type: "echo", ID: "too"}),
	}) {
		f.must(err)
	}
}

// spread is a client of a cluster, and queues of which one is on the node that is to go away, together with the set of all
// queues, and the others are not.
type spread struct {
	*testing.T
	client   *queue.Client
	registry *catalog.Catalog
	away     *redistest.Server
	lost     string
	healthy  []string
}

func newSpread(t *testing.T) *spread {
	cluster := redistest.StartCluster(t)
	s := &spread{T: t, away: cluster.Master("asynq:queues")}
	var queues []fleet.Queue
	for i := 0; len(s.healthy) < 2 || s.lost == ""; i++ {
		name := fmt.Sprint("q", i)
		switch away := cluster.Master("asynq:{"+name+"}:") == s.away; {
		case !away:
			s.healthy = append(s.healthy, name)
		case s.lost == "":
			s.lost = name
		default:
			continue
		}
		queues = append(queues, fleet.Queue{Name: name, Weight: 1})
	}
	rdb := cluster.Client(t, func(opts *redis.UniversalOptions) { opts.ContextTimeoutEnabled = true })
	s.client = queue.NewClient(rdb, queues)
	t.Cleanup(s.client.Close)
	s.registry = catalog.New(append(slices.Clone(s.healthy), s.lost), time.Hour)
	if err := s.registry.Add(task.Define[input, output]("echo").Type); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *spread) enqueue(queue, id string) error {
	s.Helper()
	t, err := s.registry.Prepare(task.Request{Type: "echo", Queue: queue, ID: id, Payload: []byte(`{"n":1}`)}, time.Now())
	if err != nil {
		s.Fatal(err)
	}
	return s.client.Enqueue(s.Context(), t)
}

// Calls that need only what is there are answered, whether the node that is away refuses connections or hangs.
func TestClientWithoutOneNodeOfACluster(t *testing.T) {
	t.Parallel()
	s := newSpread(t)
	for _, queue := range append([]string{s.lost}, s.healthy...) {
		if err := s.enqueue(queue, "in-"+queue); err != nil {
			t.Fatal(err)
		}
	}
	for _, way := range []struct {
		name string
		lose func()
	}{{"hangs", s.away.Freeze}, {"dies", func() { s.away.Thaw(); s.away.Kill() }}} {
		way.lose()
		t.Run(way.name, func(t *testing.T) {
			ctx := t.Context()
			for _, queue := range s.healthy {
				want := func(what string, err error) {
					t.Helper()
					if err != nil {
						t.Errorf("%s in %s: %v", what, queue, err)
					}
				}
				_, err := s.client.Get(ctx, "in-"+queue)
				want("get", err)
				want("enqueue", s.enqueue(queue, "new-"+way.name+queue))
				want("enqueue", s.enqueue(queue, ""))
				_, err = s.client.Queue(ctx, queue)
				want("queue", err)
				want("pause", s.client.Pause(ctx, queue))
				page, err := s.client.List(ctx, fleet.Filter{Queues: []string{queue}}, "", 10)
				want("list", err)
				if len(page.Tasks) == 0 {
					t.Errorf("nothing is listed in %s", queue)
				}
			}
			// The same id again, in its own queue and in another.
			for _, queue := range s.healthy {
				if err := s.enqueue(queue, "in-"+s.healthy[0]); task.CodeOf(err) != task.CodeConflict {
					t.Errorf("an id that is taken: %v", err)
				}
			}
			all, err := s.client.Queues(ctx)
			if err != nil || len(all) != len(s.healthy) {
				t.Errorf("queues %+v, %v", all, err)
			}
			var lost sync.WaitGroup
			for _, call := range []func() error{
				func() error { _, err := s.client.Get(ctx, "in-"+s.lost); return err },
				func() error { return s.enqueue(s.lost, "") },
				func() error { return s.enqueue(s.lost, "new-"+way.name) },
			} {
				lost.Go(func() {
					if err := call(); task.CodeOf(err) != task.CodeUnavailable {
						t.Errorf("what is out of reach: %v", err)
					}
				})
			}
			lost.Wait()
		})
	}
}

// A call that Redis does not answer gives up in time, however many others wait too.
func TestEveryCallGivesUpOnARedisThatHangs(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	rdb := f.redis.Connect(t, func(opts *redis.UniversalOptions) { opts.ContextTimeoutEnabled = true })
	client := queue.NewClient(rdb, queues)
	defer client.Close()
	ctx := t.Context()
	f.must(client.Enqueue(ctx, f.prepare(task.Request{Type: "echo", ID: "a"})))
	calls := map[string]func() error{
		"get":    func() error { _, err := client.Get(ctx, "a"); return err },
		"wait":   func() error { _, err := client.Wait(ctx, "a"); return err },
		"follow": func() error { _, _, err := client.Follow(ctx, "a"); return err },
		"cancel": func() error { _, err := client.Cancel(ctx, "a"); return err },
		"retry":  func() error { _, err := client.Retry(ctx, "a"); return err },
		"run":    func() error { _, err := client.Run(ctx, "a"); return err },
		"delete": func() error { return client.Delete(ctx, "a") },
		"list":   func() error { _, err := client.List(ctx, fleet.Filter{}, "", 10); return err },
		"bulk": func() error {
			_, err := client.Bulk(ctx, fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Queues: []string{"low"}}})
			return err
		},
		"queues":      func() error { _, err := client.Queues(ctx); return err },
		"queue":       func() error { _, err := client.Queue(ctx, "low"); return err },
		"pause":       func() error { return client.Pause(ctx, "low") },
		"resume":      func() error { return client.Resume(ctx, "low") },
		"enqueue":     func() error { return client.Enqueue(ctx, f.prepare(task.Request{Type: "echo"})) },
		"enqueue own": func() error { return client.Enqueue(ctx, f.prepare(task.Request{Type: "echo", ID: "b"})) },
		"enqueue and wait": func() error {
			_, err := client.EnqueueAndWait(ctx, f.prepare(task.Request{Type: "echo"}), time.Minute)
			return err
		},
	}
	f.redis.Freeze()
	defer f.redis.Thaw()
	begun := time.Now()
	var calling sync.WaitGroup
	for name, call := range calls {
		for range 30 {
			calling.Go(func() {
				if err := call(); task.CodeOf(err) != task.CodeUnavailable {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	calling.Wait()
	if took := time.Since(begun); took > 45*time.Second {
		t.Errorf("it took %s until the last had its answer", took)
	}
}
