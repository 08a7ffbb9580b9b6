package beat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/beat"
	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/ticks"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a real Redis with schedules and queues on it, and no beat yet.
type stage struct {
	t      *testing.T
	rdb    redis.UniversalClient
	store  *redisstore.Schedules
	client *queue.Client
	types  *catalog.Catalog
	log    *strings.Builder
}

type input struct {
	N int `json:"n"`
}

func newStage(t *testing.T) *stage {
	t.Helper()
	return newStageOn(t, redistest.Start(t).Client(t), "default", "low")
}

func newStageOn(t *testing.T, rdb redis.UniversalClient, queues ...string) *stage {
	t.Helper()
	s := &stage{t: t, rdb: rdb, types: catalog.New(queues, time.Hour), log: new(strings.Builder)}
	s.must(s.types.Add(task.Define[input, task.None]("job").Type))
	var configured []fleet.Queue
	for _, name := range queues {
		configured = append(configured, fleet.Queue{Name: name, Weight: 1})
	}
	s.client = queue.NewClient(s.rdb, configured)
	t.Cleanup(s.client.Close)
	s.store = redisstore.NewSchedules(s.rdb, clockOf(t, s.rdb), s.queues())
	return s
}

func (s *stage) queues() *ticks.Client { return ticks.New(s.rdb, s.client) }

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// spec is a schedule's, with changes.
func spec(change func(*schedule.Spec)) schedule.Spec {
	sp := schedule.NewSpec()
	sp.Task = schedule.Template{Type: "job", Payload: json.RawMessage(`{"n":1}`)}
	change(&sp)
	return sp
}

func (s *stage) put(id string, sp schedule.Spec) *schedule.Schedule {
	s.t.Helper()
	made, err := s.store.Update(s.t.Context(), id, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		next, err := schedule.Put(current, id, sp, false, schedule.OriginAPI, s.store.Now())
		return next, nil, err
	})
	s.must(err)
	return made
}

func (s *stage) get(id string) *schedule.Schedule {
	s.t.Helper()
	got, err := s.store.Get(s.t.Context(), id)
	s.must(err)
	return got
}

// always is the trust in a term that does not end by itself: here it is the fence that is tested.
func always() bool { return true }

// newTerm begins a term the way an election does.
func (s *stage) newTerm() int64 {
	s.t.Helper()
	n, err := s.rdb.Incr(context.Background(), "backbeat:schedules:{beat}:term").Result()
	s.must(err)
	return n
}

// config is that of a beat on the stage.
func (s *stage) config() beat.Config {
	return beat.Config{Journal: s.store, Store: s.store, Queues: s.queues(), Types: s.types, Logger: slog.New(slog.DiscardHandler)}
}

// lead lets a beat lead until the test ends or stop is called, which returns its error.
func (s *stage) lead(cfg beat.Config) (stop func() error) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	number := s.newTerm()
	s.must(s.rdb.Set(ctx, "backbeat:schedules:{beat}:leader", "{}", 0).Err()) // as an election would; nothing else reads it here
	go func() {
		err := beat.New(cfg).Lead(ctx, number, always)
		if err != nil {
			s.t.Logf("term %d ended: %v", number, err)
		}
		done <- err
	}()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	s.t.Cleanup(func() { _ = stop() })
	return stop
}

// pending returns the ids of the tasks in a queue, oldest first.
func (s *stage) pending(queue string) []string {
	s.t.Helper()
	ids, err := s.rdb.LRange(context.Background(), "asynq:{"+queue+"}:pending", 0, -1).Result()
	s.must(err)
	for i, j := 0, len(ids)-1; i < j; i, j = i+1, j-1 {
		ids[i], ids[j] = ids[j], ids[i]
	}
	return ids
}

// eventually waits until ok, asked again and again.
func (s *stage) eventually(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			s.t.Fatalf("it never came to be that %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// laterTicks waits until the leader has fired ticks that come later than whatever the test has done, in a queue of their own.
func (s *stage) laterTicks() {
	s.t.Helper()
	const id = "later"
	s.put(id, spec(func(sp *schedule.Spec) {
		sp.Every, sp.MaxInstances, sp.Task.Queue = task.Duration(50*time.Millisecond), 0, "low"
	}))
	s.eventually("later ticks fire", func() bool { return s.get(id).Runs >= 3 })
	s.must(s.store.Delete(s.t.Context(), id, nil))
}

var errDied = errors.New("the leader has died")

// mortal is what a leader works with, and dies of: at random calls, before they reach Redis or after. Some stop for a
// while instead, and go on when another has long taken over.
type mortal struct {
	schedule.Journal
	beat.Queues
	risk  float64
	pause func()
}

func (m *mortal) Now() time.Time { return m.Journal.Now() }

func (m *mortal) survive(call func() error) error {
	switch p := rand.Float64() / m.risk; {
	case p < 1:
		return errDied
	case p < 2:
		_ = call() // Redis has done it, and nobody hears of it
		return errDied
	case p < 2.3:
		m.pause()
	}
	return call()
}

func (m *mortal) Commit(ctx context.Context, term int64, batch string, steps []*schedule.Step) (written []bool, err error) {
	err = m.survive(func() error {
		written, err = m.Journal.Commit(ctx, term, batch, steps)
		return err
	})
	return written, err
}

func (m *mortal) Ack(ctx context.Context, term int64, batch *schedule.Batch) error {
	return m.survive(func() error { return m.Journal.Ack(ctx, term, batch) })
}

func (m *mortal) EnqueueTicks(ctx context.Context, term int64, batch *schedule.Batch) error {
	return m.survive(func() error { return m.Queues.EnqueueTicks(ctx, term, batch) })
}

func (m *mortal) Acked(ctx context.Context, batch *schedule.Batch) error {
	return m.survive(func() error { return m.Queues.Acked(ctx, batch) })
}

func (m *mortal) ForgetTicks(ctx context.Context, term int64) error {
	return m.survive(func() error { return m.Queues.ForgetTicks(ctx, term) })
}

func (m *mortal) Fence(ctx context.Context, term int64) error {
	return m.survive(func() error { return m.Queues.Fence(ctx, term) })
}

func (m *mortal) Ends(ctx context.Context, term int64, queue string, drop, limit int) (ends []schedule.End, err error) {
	err = m.survive(func() error {
		ends, err = m.Queues.Ends(ctx, term, queue, drop, limit)
		return err
	})
	return ends, err
}

// Leaders die at every point of their work, and some only stop, and wake up in somebody else's term. Each tick becomes
// one task all the same, and those of a schedule in their order. The tasks are taken and dropped at once meanwhile: it
// is not their hashes that keep ticks from being doubled.
func TestEachTickOnceWhileLeadersDie(t *testing.T) {
	s := newStage(t)
	const schedules, running = 20, 6 * time.Second
	for i := range schedules {
		s.put(fmt.Sprintf("s%d", i), spec(func(sp *schedule.Spec) {
			sp.Every = task.Duration(time.Duration(20+7*i) * time.Millisecond)
			sp.Coalesce, sp.MaxInstances, sp.MisfireGraceTime = false, 0, task.Duration(time.Hour)
			sp.EndAt = s.store.Now().Add(running)
			sp.Task.Queue = []string{"default", "low"}[i%2]
		}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	ran := make(chan string, 1_000_000)
	for _, queue := range []string{"default", "low"} {
		work.Go(func() { s.swallow(ctx, queue, ran) })
	}

	deaths := 0
	var zombies sync.WaitGroup
	over := func() bool {
		for i := range schedules {
			if !s.get(fmt.Sprintf("s%d", i)).Next.IsZero() {
				return false
			}
		}
		return s.rdb.HLen(ctx, "backbeat:schedules:{beat}:outbox").Val() == 0
	}
	for deadline := time.Now().Add(time.Minute); !over() && time.Now().Before(deadline); {
		stopped := make(chan struct{})
		m := &mortal{Journal: s.store, Queues: s.queues(), risk: 0.02, pause: sync.OnceFunc(func() {
			close(stopped)
			time.Sleep(time.Duration(50+rand.IntN(300)) * time.Millisecond)
		})}
		cfg := s.config()
		cfg.Journal, cfg.Queues = m, m
		died := make(chan error, 1)
		leading, done := context.WithCancel(ctx)
		number := s.newTerm()
		zombies.Go(func() {
			defer done()
			died <- beat.New(cfg).Lead(leading, number, always)
		})
		select {
		case err := <-died:
			if err != nil && !errors.Is(err, errDied) {
				t.Errorf("term %d ended with %v", number, err)
			}
			deaths++
		case <-stopped: // and wakes up later
			deaths++
		case <-time.After(running + time.Second):
		}
		if over() {
			done()
		}
	}
	s.eventually("all is drained", func() bool { return len(s.pending("default"))+len(s.pending("low")) == 0 })
	cancel()
	zombies.Wait()
	work.Wait()
	close(ran)
	if deaths < 5 {
		t.Errorf("only %d leaders died", deaths)
	}
	s.wantEachTickOnce(ran)
	for _, queue := range []string{"default", "low"} {
		if got := s.pending(queue); len(got) > 0 {
			t.Errorf("%d tasks came after all was over: %q", len(got), got[:1])
		}
	}
	t.Logf("%d leaders died", deaths)
}

// dying is a leader's queues: it enqueues nothing, or dies before it can say that it is not to be told of ticks again.
type dying struct {
	beat.Queues
	mute bool
}

func (q *dying) EnqueueTicks(ctx context.Context, term int64, batch *schedule.Batch) error {
	if q.mute {
		<-ctx.Done()
		return ctx.Err()
	}
	return q.Queues.EnqueueTicks(ctx, term, batch)
}

func (*dying) Acked(context.Context, *schedule.Batch) error { return errDied }

// A leader dies before it has made tasks of many batches. The next one does, in the order of the ticks.
func TestOwedTicksKeepTheirOrder(t *testing.T) {
	s := newStage(t)
	s.put("s", spec(func(sp *schedule.Spec) {
		sp.Every, sp.Coalesce, sp.MaxInstances = task.Duration(50*time.Millisecond), false, 0
	}))
	cfg := s.config()
	cfg.Queues = &dying{Queues: s.queues(), mute: true}
	stop := s.lead(cfg)
	s.eventually("many batches are in the outbox", func() bool { return s.rdb.HLen(t.Context(), "backbeat:schedules:{beat}:outbox").Val() >= 8 })
	s.must(stop())
	s.lead(s.config())
	s.eventually("they are tasks", func() bool { return len(s.pending("default")) >= 12 })
	first := s.get("s").Anchor
	for i, id := range s.pending("default") {
		if want := schedule.TickID("s", first.Add(time.Duration(i)*50*time.Millisecond)); id != want {
			t.Fatalf("task %d is %s, not %s", i, id, want)
		}
	}
}

// A Redis that lost its last second gives the number of a term once more. What is known of the batches of the first must
// not be taken for those of the second, even where it could not be forgotten.
func TestTermGivenTwice(t *testing.T) {
	s := newStage(t)
	s.must(s.rdb.HSet(t.Context(), "backbeat:schedules:{beat}:outbox", "unreadable", "so nothing is forgotten").Err())
	s.put("s", spec(func(sp *schedule.Spec) {
		sp.Every, sp.Coalesce, sp.MaxInstances = task.Duration(50*time.Millisecond), false, 0
	}))
	number := s.newTerm()
	cfg := s.config()
	cfg.Queues = &dying{Queues: s.queues()}
	if err := beat.New(cfg).Lead(t.Context(), number, always); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- beat.New(s.config()).Lead(ctx, number, always) }()
	s.eventually("it goes on", func() bool { return len(s.pending("default")) >= 5 })
	cancel()
	s.must(<-done)
	got := s.get("s")
	first := got.Anchor
	for i, id := range s.pending("default") {
		if want := schedule.TickID("s", first.Add(time.Duration(i)*50*time.Millisecond)); id != want {
			t.Fatalf("task %d is %s, not %s", i, id, want)
		}
	}
}

// swallow takes tasks off a queue and leaves nothing of them.
func (s *stage) swallow(ctx context.Context, queue string, ran chan<- string) {
	for ctx.Err() == nil {
		id, err := s.rdb.RPop(ctx, "asynq:{"+queue+"}:pending").Result()
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		s.rdb.Del(ctx, "asynq:{"+queue+"}:t:"+id)
		ran <- id
	}
}

func (s *stage) wantEachTickOnce(ran <-chan string) {
	s.t.Helper()
	got := make(map[string][]string)
	for id := range ran {
		name, _, _ := strings.Cut(id, "@")
		got[name] = append(got[name], id)
	}
	list, _, err := s.store.List(context.Background(), "", 1000)
	s.must(err)
	for _, sc := range list {
		var want []string
		for tick := sc.Anchor; !tick.After(sc.EndAt); tick = tick.Add(time.Duration(sc.Every)) {
			want = append(want, schedule.TickID(sc.ID, tick))
		}
		if len(want) < 10 || int64(len(want)) != sc.Runs {
			s.t.Errorf("%s: %d ticks, run_count %d", sc.ID, len(want), sc.Runs)
		}
		s.sameIDs(sc.ID, got[sc.ID], want)
	}
}

func (s *stage) sameIDs(name string, got, want []string) {
	s.t.Helper()
	count := make(map[string]int)
	for _, id := range got {
		count[id]++
	}
	for _, id := range want {
		if count[id] != 1 {
			s.t.Errorf("%s became %d tasks", id, count[id])
		}
	}
	if len(got) > len(want) {
		s.t.Errorf("%s: %d tasks for %d ticks", name, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			s.t.Errorf("%s: task %d is %s, not %s", name, i, got[i], want[i])
			return
		}
	}
}
