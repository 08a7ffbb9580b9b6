package beat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/beat"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/internal/storetest"
	"github.com/backbeat-go/backbeat/task"
)

// behind makes a schedule that ticks every second look as if no beat had run for a while.
func (s *stage) behind(id string, since time.Duration, change func(*schedule.Spec)) {
	s.t.Helper()
	s.put(id, spec(func(sp *schedule.Spec) { sp.Every = task.Duration(time.Second); change(sp) }))
	_, err := s.store.Update(s.t.Context(), id, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		late := *current
		late.Next = s.store.Now().Add(-since).Truncate(time.Second)
		late.Anchor, late.Due = late.Next, late.Next
		return &late, nil, nil
	})
	s.must(err)
}

func (s *stage) runs(id string) map[schedule.Outcome]int {
	s.t.Helper()
	runs, err := s.store.Runs(s.t.Context(), id, schedule.RunsKept)
	s.must(err)
	count := make(map[schedule.Outcome]int)
	for _, r := range runs {
		count[r.Outcome]++
	}
	return count
}

func TestAfterDowntime(t *testing.T) {
	s := newStage(t)
	s.behind("coalesced", 20*time.Second, func(*schedule.Spec) {})
	s.behind("each", 20*time.Second, func(sp *schedule.Spec) { sp.Coalesce, sp.MaxInstances = false, 0 })
	s.behind("late", time.Hour, func(sp *schedule.Spec) {
		sp.Coalesce, sp.MaxInstances = false, 0
		sp.MisfireGraceTime = task.Duration(10 * time.Second)
	})
	s.behind("flood", 3*time.Hour, func(sp *schedule.Spec) {
		sp.Coalesce, sp.MaxInstances = false, 0
		sp.MisfireGraceTime = task.Duration(5 * time.Hour)
	})
	s.lead(s.config())
	for _, id := range []string{"coalesced", "each", "late", "flood"} {
		s.eventually(id+" has caught up", func() bool { return s.get(id).Next.After(s.store.Now()) })
	}
	s.eventually("the outbox is empty", func() bool { return s.rdb.HLen(t.Context(), "backbeat:schedules:{beat}:outbox").Val() == 0 })

	about := func(what string, got, want int64) {
		t.Helper()
		if got < want-2 || got > want+8 { // ticks go on meanwhile
			t.Errorf("%s is %d, want about %d", what, got, want)
		}
	}
	about("coalesced: run_count", s.get("coalesced").Runs, 1)
	about("coalesced: missed_count", s.get("coalesced").Missed, 20)
	about("each: run_count", s.get("each").Runs, 21)
	about("late: run_count", s.get("late").Runs, 10)
	about("late: missed_count", s.get("late").Missed, 3590)
	about("flood: run_count", s.get("flood").Runs, 1000)
	about("flood: missed_count", s.get("flood").Missed, 3*3600-1000)
	for id, want := range map[string][]schedule.Reason{
		"coalesced": {"", schedule.ReasonCoalesced}, "late": {"", schedule.ReasonGrace}, "flood": {""},
	} {
		runs, err := s.store.Runs(t.Context(), id, schedule.RunsKept)
		s.must(err)
		for _, r := range runs {
			if !slices.Contains(want, r.Reason) && r.Reason != schedule.ReasonMaxInstances || (r.Reason == "") != (r.Outcome == schedule.Fired) {
				t.Errorf("%s: a run is %s because of %q", id, r.Outcome, r.Reason)
			}
		}
	}
	if got := s.runs("coalesced"); got[schedule.Missed] < 18 || got[schedule.Fired] < 1 {
		t.Errorf("the history of coalesced says %v", got)
	}
	if got := s.runs("flood"); got[schedule.Fired] != schedule.RunsKept {
		t.Errorf("the history of flood says %v", got)
	}
	if ttl := s.rdb.TTL(t.Context(), "backbeat:schedules:{beat}:runs:flood").Val(); ttl < 24*time.Hour {
		t.Errorf("the history of flood is kept for %s", ttl)
	}
}

// fleet-less workers: a real one, whose handlers do as their payload says.
func (s *stage) work(handle func(context.Context, input) error) {
	s.t.Helper()
	d := task.Define[input, task.None]("job")
	server := worker.New(s.rdb, worker.Config{
		Types: s.types, Queues: []fleet.Queue{{Name: "default", Weight: 1}}, Concurrency: 8, ShutdownTimeout: time.Second,
		Logger: slog.New(slog.DiscardHandler),
		Handlers: map[string]*task.Handler{"job": d.Handle(func(ctx context.Context, in input) (task.None, error) {
			return task.None{}, handle(ctx, in)
		})},
	})
	s.must(server.Start(s.t.Context()))
	s.t.Cleanup(server.Stop)
}

func TestFailuresPauseTheSchedule(t *testing.T) {
	s := newStage(t)
	s.put("bad", spec(func(sp *schedule.Spec) {
		sp.Every, sp.PauseAfterFailures, sp.Task.MaxRetries = task.Duration(100*time.Millisecond), 3, new(int)
	}))
	s.lead(s.config())
	s.work(func(context.Context, input) error { return errors.New("no luck") })
	s.eventually("it is paused", func() bool { return s.get("bad").Paused })
	got := s.get("bad")
	if got.PausedReason != schedule.PausedByFailures || got.FailureStreak != 3 || got.LastState != task.Failed || !got.Next.IsZero() || got.Runs != 3 {
		t.Errorf("%+v", got.State)
	}
	runs, err := s.store.Runs(t.Context(), "bad", 10)
	s.must(err)
	for _, r := range runs {
		if r.Outcome == schedule.Skipped {
			continue // its task took longer than the time to the next tick
		}
		if r.State != task.Failed || r.TaskID != schedule.TickID("bad", r.Tick) || r.FiredAt.Before(r.Tick) {
			t.Errorf("%+v", r)
		}
	}
}

func TestUnfinishedTasksSkipTicks(t *testing.T) {
	s := newStage(t)
	s.put("slow", spec(func(sp *schedule.Spec) { sp.Every = task.Duration(100 * time.Millisecond) }))
	release := make(chan struct{})
	s.work(func(ctx context.Context, _ input) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	})
	s.lead(s.config())
	s.eventually("ticks are skipped", func() bool { return s.get("slow").Skipped >= 3 })
	if got := s.get("slow"); got.Runs != 1 {
		t.Errorf("%d tasks were made while one runs", got.Runs)
	}
	close(release)
	s.eventually("it goes on", func() bool { return s.get("slow").Runs >= 3 })
	if got := s.runs("slow"); got[schedule.Skipped] < 3 {
		t.Errorf("the history says %v", got)
	}
}

// Stock asynq tools end tasks without a word to the beat; it asks before it skips.
func TestTasksThatEndedSilentlySkipNothing(t *testing.T) {
	s := newStage(t)
	s.put("quiet", spec(func(sp *schedule.Spec) { sp.Every = task.Duration(11 * time.Second / 2) }))
	s.lead(s.config())
	inspector := asynq.NewInspectorFromRedisClient(s.rdb)
	s.eventually("its first task is there", func() bool { return len(s.pending("default")) == 1 })
	s.must(inspector.DeleteTask("default", s.pending("default")[0]))
	// Within 10 s of its making a task that is gone may be one that is still to come.
	s.eventually("there is another", func() bool { return s.get("quiet").Runs == 2 })
}

func TestDeletedTaskIsFinished(t *testing.T) {
	s := newStage(t)
	s.put("once", spec(func(sp *schedule.Spec) { sp.Every = task.Duration(200 * time.Millisecond) }))
	s.lead(s.config())
	s.eventually("its first task is there", func() bool { return len(s.pending("default")) == 1 })
	s.must(s.client.Delete(t.Context(), s.pending("default")[0]))
	s.eventually("there is another", func() bool { return s.get("once").Runs == 2 })
	if got := s.get("once"); got.LastState != task.Canceled && got.LastState != "" {
		t.Errorf("its last state is %q", got.LastState)
	}
}

func TestBrokenScheduleHindersNobody(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	var mu sync.Mutex
	var log bytes.Buffer
	for _, id := range []string{"bad-spec", "bad-state", "gone-type", "gone-queue", "bad-cron", "good"} {
		s.put(id, spec(func(sp *schedule.Spec) { sp.Every = task.Duration(100 * time.Millisecond) }))
	}
	s.must(s.rdb.HSet(ctx, "backbeat:schedules:{beat}:specs", "bad-spec", "{").Err())
	s.must(s.rdb.HSet(ctx, "backbeat:schedules:{beat}:states", "bad-state", "what?").Err())
	for id, change := range map[string]func(*schedule.Schedule){
		"gone-type":  func(sc *schedule.Schedule) { sc.Spec.Task.Type = "no.such" },
		"gone-queue": func(sc *schedule.Schedule) { sc.Spec.Task.Queue = "no-such" },
		"bad-cron":   func(sc *schedule.Schedule) { sc.Cron = "of another version" },
	} {
		_, err := s.store.Update(ctx, id, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
			sc := *current
			change(&sc)
			return &sc, nil, nil
		})
		s.must(err)
	}
	cfg := s.config()
	cfg.Logger = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), nil))
	s.lead(cfg)
	s.eventually("the good one goes on", func() bool { return s.get("good").Runs >= 1 && s.get("good").Skipped >= 3 })
	for _, id := range []string{"bad-spec", "bad-state", "gone-type", "gone-queue", "bad-cron"} {
		s.eventually(id+" is set aside", func() bool { return s.rdb.ZScore(ctx, "backbeat:schedules:{beat}:due", id).Err() != nil })
		if got := s.get(id); !got.Paused || got.PausedReason != schedule.PausedInvalid {
			t.Errorf("%s: %+v", id, got.State)
		}
		mu.Lock()
		if !strings.Contains(log.String(), "schedule="+id+" ") {
			t.Errorf("nobody was told of %s: %s", id, log.String())
		}
		mu.Unlock()
		s.put(id, spec(func(sp *schedule.Spec) { sp.Every = task.Duration(time.Hour) })) // and it is mended
		if got := s.get(id); got.Paused || got.Next.IsZero() {
			t.Errorf("%s after it was put again: %+v", id, got.State)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Somebody changes, pauses and deletes schedules in the very moments in which they are due.
func TestChangesInTheSecondTheyAreDue(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	every := func(n int) schedule.Spec {
		return spec(func(sp *schedule.Spec) {
			sp.Every, sp.MaxInstances = task.Duration(50*time.Millisecond), 0
			sp.Task.Payload = json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))
		})
	}
	s.lead(s.config())
	for round := range 25 {
		id := fmt.Sprintf("s%d", round)
		first := s.put(id, every(1))
		time.Sleep(time.Until(first.Due.Add(time.Duration(round-12) * time.Millisecond / 4)))
		s.put(id, every(2))
		edited := s.store.Now() // by the clock of the beat
		s.eventually("the edited one fires", func() bool { return s.get(id).Runs >= 2 })
		s.must(s.store.Delete(ctx, id, nil))
		deleted := s.pending("default")
		s.laterTicks()
		seen := make(map[string]bool)
		for _, taskID := range s.pending("default") {
			if !strings.HasPrefix(taskID, id+"@") {
				continue
			}
			if seen[taskID] {
				t.Errorf("%s is there twice", taskID)
			}
			seen[taskID] = true
			got, err := s.client.Get(ctx, taskID)
			s.must(err)
			if string(got.Payload) == `{"n":1}` && got.Schedule.At.After(edited) {
				t.Errorf("%s is of the old version, and later than the edit", taskID)
			}
		}
		if after := s.pending("default"); len(after) != len(deleted) {
			t.Errorf("%s: tasks came after the answer to the deletion: %d, then %d", id, len(deleted), len(after))
		}
	}
	if keys := s.rdb.Keys(ctx, "backbeat:schedules:{beat}:*").Val(); len(keys) != 2 { // the leader and its term
		t.Errorf("the deleted schedules left %q", keys)
	}
	if keys := s.rdb.Keys(ctx, "asynq:scheduler_history:*").Val(); len(keys) > 0 {
		t.Errorf("the deleted schedules left %q", keys)
	}
}

// Nobody leads, and a tick is still in the outbox: deletion drops it, and shuts out the leader that only sleeps.
func TestDeleteWhileTheLeaderSleeps(t *testing.T) {
	s := newStage(t)
	s.put("doomed", spec(func(sp *schedule.Spec) { sp.Every = task.Duration(100 * time.Millisecond) }))
	asleep, wake, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	cfg := s.config()
	cfg.Queues = &sleeper{Queues: s.queues(), asleep: asleep, wake: wake, ended: ended}
	stop := s.lead(cfg)
	<-asleep
	s.must(s.rdb.Del(t.Context(), "backbeat:schedules:{beat}:leader").Err()) // its lease has ended
	s.must(s.store.Delete(t.Context(), "doomed", nil))
	close(wake)
	s.eventually("the leader finds that its term is over", func() bool { return s.rdb.HLen(t.Context(), "backbeat:schedules:{beat}:outbox").Val() == 0 })
	<-ended
	if err := stop(); err != nil && !errors.Is(err, schedule.ErrDeposed) {
		t.Errorf("its term ended with %v", err)
	}
	if got := s.pending("default"); len(got) > 0 {
		t.Errorf("a task of a deleted schedule was made: %q", got)
	}
}

// sleeper falls asleep between commit and enqueue, as a process does that is stopped.
type sleeper struct {
	beat.Queues
	asleep, wake chan struct{}
	ended        chan struct{} // closed when the call that slept has ended
	once         sync.Once
}

func (q *sleeper) EnqueueTicks(ctx context.Context, term int64, batch *schedule.Batch) error {
	slept := false
	q.once.Do(func() { close(q.asleep); <-q.wake; slept = true })
	if slept {
		defer close(q.ended)
	}
	return q.Queues.EnqueueTicks(ctx, term, batch)
}

// Until its ticks are acknowledged, a schedule is not found by the time at which it is due next. The loader may pass over
// that time meanwhile; the schedule fires all the same, and not because somebody finds that it is overdue.
func TestDueSoonAfterALateStrike(t *testing.T) {
	s := newStage(t)
	const interval = 10200 * time.Millisecond // longer than what the loader looks ahead
	s.put("s", spec(func(sp *schedule.Spec) {
		sp.Every, sp.StartAt, sp.MaxInstances = task.Duration(interval), s.store.Now().Add(time.Second), 0
	}))
	cfg := s.config()
	lag := &laggard{Journal: s.store, next: s.get("s").Next.Add(interval), passed: make(chan struct{})}
	cfg.Journal = lag
	s.lead(cfg)
	<-lag.passed
	s.eventually("the first tick is acknowledged", func() bool {
		return s.rdb.HLen(t.Context(), "backbeat:schedules:{beat}:outbox").Val() == 0
	})
	lag.ahead.Store(int64(8 * time.Second))
	s.eventually("the second tick has fired", func() bool { return len(s.pending("default")) == 2 })
}

// A schedule is put after the leader has read what is due soon, and before it hears of changes. It is on time all the same,
// and not because somebody finds that it is overdue.
func TestChangeBeforeTheLeaderListens(t *testing.T) {
	s := newStage(t)
	cfg := s.config()
	late := &lateListener{Journal: s.store, read: make(chan struct{}), listen: make(chan struct{})}
	cfg.Journal = late
	s.lead(cfg)
	<-late.read
	s.put("s", spec(func(sp *schedule.Spec) { sp.Every = task.Duration(time.Second) }))
	close(late.listen)
	s.eventually("it has fired", func() bool { return s.get("s").Runs > 0 })
}

// lateListener hears of changes only when it is told to listen, and finds nothing that is overdue.
type lateListener struct {
	schedule.Journal
	read, listen chan struct{}
	once         sync.Once
}

func (j *lateListener) Due(ctx context.Context, from, until time.Time, limit int) ([]string, error) {
	if limit > 0 {
		return nil, nil // the loader wants all
	}
	ids, err := j.Journal.Due(ctx, from, until, limit)
	j.once.Do(func() { close(j.read) })
	return ids, err
}

func (j *lateListener) Changes(ctx context.Context) <-chan string {
	<-j.listen
	return j.Journal.Changes(ctx)
}

// laggard acknowledges nothing before the loader has passed over a time, and finds nothing that is overdue. Its clock may
// be put forward.
type laggard struct {
	schedule.Journal
	ahead  atomic.Int64
	next   time.Time
	passed chan struct{}
	once   sync.Once
}

func (j *laggard) Now() time.Time { return j.Journal.Now().Add(time.Duration(j.ahead.Load())) }

func (j *laggard) Due(ctx context.Context, from, until time.Time, limit int) ([]string, error) {
	if limit > 0 {
		return nil, nil // the loader wants all
	}
	ids, err := j.Journal.Due(ctx, from, until, limit)
	if until.After(j.next) {
		j.once.Do(func() { close(j.passed) })
	}
	return ids, err
}

func (j *laggard) Ack(ctx context.Context, term int64, batch *schedule.Batch) error {
	select {
	case <-j.passed:
	case <-ctx.Done():
	}
	return j.Journal.Ack(ctx, term, batch)
}

func TestPauseAndResume(t *testing.T) {
	s := newStage(t)
	s.put("p", spec(func(sp *schedule.Spec) { sp.Every, sp.MaxInstances = task.Duration(100*time.Millisecond), 0 }))
	s.lead(s.config())
	s.eventually("it runs", func() bool { return s.get("p").Runs >= 1 })
	change := func(f func(*schedule.Schedule) (*schedule.Schedule, error)) *schedule.Schedule {
		t.Helper()
		got, err := s.store.Update(t.Context(), "p", func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
			next, err := f(current)
			return next, nil, err
		})
		s.must(err)
		return got
	}
	paused := change(func(c *schedule.Schedule) (*schedule.Schedule, error) {
		return schedule.Pause(c, schedule.PausedByUser, s.store.Now()), nil
	})
	s.laterTicks() // and none of it
	if got := s.get("p"); got.Runs != paused.Runs || got.Missed != 0 {
		t.Errorf("it went on while it was paused: %+v", got.State)
	}
	resumed := s.store.Now()
	change(func(c *schedule.Schedule) (*schedule.Schedule, error) { return schedule.Resume(c, s.store.Now()) })
	s.eventually("it goes on", func() bool { return s.get("p").Runs > paused.Runs })
	runs, err := s.store.Runs(t.Context(), "p", 200)
	s.must(err)
	for _, r := range runs {
		if r.Tick.After(paused.UpdatedAt) && r.Tick.Before(resumed) {
			t.Errorf("a tick of the pause has run: %+v", r)
		}
	}
	if got := s.get("p"); got.Missed != 0 {
		t.Errorf("%d ticks count as missed", got.Missed)
	}
}

func TestSchedulesOfTheConfiguration(t *testing.T) {
	s := newStage(t)
	hourly := spec(func(sp *schedule.Spec) { sp.Every = task.Duration(time.Hour) })
	daily := spec(func(sp *schedule.Spec) { sp.Every = task.Duration(24 * time.Hour) })
	s.put("by-api", hourly)
	cfg := s.config()
	cfg.Schedules = []beat.Configured{{ID: "a", Spec: hourly}, {ID: "b", Spec: hourly, Paused: true}}
	stop := s.lead(cfg)
	s.eventually("they are there", func() bool { n, _, err := s.store.Count(t.Context()); s.must(err); return n == 3 })
	if a, b := s.get("a"), s.get("b"); a.Origin != schedule.OriginConfig || a.Next.IsZero() || !b.Paused {
		t.Errorf("a %+v, b %+v", a, b)
	}
	_, err := s.store.Update(t.Context(), "a", func(c *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		return schedule.Pause(c, schedule.PausedByUser, s.store.Now()), nil, nil
	})
	s.must(err)
	s.must(stop())
	anchor := s.get("a").Anchor

	cfg.Schedules = []beat.Configured{{ID: "a", Spec: hourly}, {ID: "c", Spec: daily}}
	stop = s.lead(cfg)
	s.eventually("they are as the new file says", func() bool {
		_, err := s.store.Get(t.Context(), "b")
		_, errC := s.store.Get(t.Context(), "c")
		return task.CodeOf(err) == task.CodeNotFound && errC == nil
	})
	if a := s.get("a"); !a.Paused || !a.Anchor.Equal(anchor) {
		t.Errorf("what the file does not change has changed: %+v", a)
	}
	if got := s.get("by-api"); got.Origin != schedule.OriginAPI {
		t.Errorf("%+v", got)
	}
	s.must(stop())

	// The file changes it, and the pause that somebody made stays; it ends when the file changes its own.
	cfg.Schedules = []beat.Configured{{ID: "a", Spec: daily}, {ID: "c", Spec: daily, Paused: true}}
	stop = s.lead(cfg)
	s.eventually("the file is taken over", func() bool { return s.get("a").SameSpec(daily) && s.get("c").Paused })
	if a := s.get("a"); !a.Paused || a.PausedReason != schedule.PausedByUser {
		t.Errorf("the pause is gone: %+v", a.State)
	}
	s.must(stop())
	cfg.Schedules = []beat.Configured{{ID: "a", Spec: daily}, {ID: "c", Spec: daily}}
	stop = s.lead(cfg)
	s.eventually("the file ends its pause", func() bool { return !s.get("c").Paused })
	if !s.get("a").Paused {
		t.Error("and another")
	}
	s.must(stop())
}

// Redis loses its data while a beat leads. The schedules of the configuration are back soon, and those of the API are not.
func TestSchedulesOfTheConfigurationComeBack(t *testing.T) {
	s := newStage(t)
	hourly := spec(func(sp *schedule.Spec) { sp.Every = task.Duration(time.Hour) })
	s.put("by-api", hourly)
	cfg := s.config()
	cfg.Schedules = []beat.Configured{{ID: "a", Spec: hourly}, {ID: "b", Spec: hourly, Paused: true}}
	s.lead(cfg)
	count := func() int { n, _, err := s.store.Count(t.Context()); s.must(err); return n }
	s.eventually("they are there", func() bool { return count() == 3 })
	s.must(s.rdb.FlushAll(t.Context()).Err())
	s.must(s.rdb.Set(t.Context(), "backbeat:schedules:{beat}:term", 1, 0).Err()) // as the renewal of the lease does
	s.eventually("they are back", func() bool { return count() == 2 })
	if a, b := s.get("a"), s.get("b"); a.Origin != schedule.OriginConfig || a.Next.IsZero() || !b.Paused {
		t.Errorf("a %+v, b %+v", a, b)
	}
}

func TestAsynqToolsShowSchedules(t *testing.T) {
	s := newStage(t)
	s.put("shown", spec(func(sp *schedule.Spec) { sp.Cron, sp.Timezone = "0 2 * * *", "Europe/Berlin"; sp.Task.Queue = "low" }))
	s.put("often", spec(func(sp *schedule.Spec) { sp.Every, sp.MaxInstances = task.Duration(200*time.Millisecond), 0 }))
	stop := s.lead(s.config())
	inspector := asynq.NewInspectorFromRedisClient(s.rdb)
	entries := func() map[string]*asynq.SchedulerEntry {
		list, err := inspector.SchedulerEntries()
		s.must(err)
		byID := make(map[string]*asynq.SchedulerEntry)
		for _, e := range list {
			byID[e.ID] = e
		}
		return byID
	}
	s.eventually("they are shown", func() bool { return len(entries()) == 2 })
	e := entries()["shown"]
	if e.Spec != "0 2 * * * Europe/Berlin" || e.Task.Type() != "job" || string(e.Task.Payload()) != `{"n":1}` || !e.Next.Equal(s.get("shown").Due) || !e.Prev.IsZero() {
		t.Errorf("%+v", e)
	}
	s.eventually("its history is told", func() bool {
		events, err := inspector.ListSchedulerEnqueueEvents("often")
		s.must(err)
		return len(events) >= 2 && strings.HasPrefix(events[0].TaskID, "often@")
	})
	s.must(stop())
	if got := entries(); len(got) > 0 {
		t.Errorf("after the beat has gone there are %v", got)
	}
}

// The clocks of the machines on which beats run are a minute apart, one way and the other.
func TestClocksOfLeadersDiffer(t *testing.T) {
	s := newStage(t)
	s.put("s", spec(func(sp *schedule.Spec) {
		sp.Every, sp.Coalesce, sp.MaxInstances = task.Duration(50*time.Millisecond), false, 0
	}))
	for _, skew := range []time.Duration{time.Minute, -time.Minute, 0, time.Minute, -time.Minute} {
		clock := redisstore.NewClock(s.rdb, wrong(skew), slog.New(slog.DiscardHandler))
		s.must(clock.Sync(t.Context()))
		schedules := redisstore.NewSchedules(s.rdb, clock, s.queues())
		cfg := s.config()
		cfg.Journal, cfg.Store = schedules, schedules
		before := s.get("s").Runs
		stop := s.lead(cfg)
		s.eventually("it fires", func() bool { return s.get("s").Runs >= before+5 })
		s.must(stop())
	}
	got := s.get("s")
	inOutbox := int(s.rdb.HLen(t.Context(), "backbeat:schedules:{beat}:outbox").Val())
	ids := s.pending("default")
	if len(ids)+inOutbox < int(got.Runs) || got.Missed != 0 {
		t.Errorf("%d tasks, %d in the outbox, %d runs, %d missed", len(ids), inOutbox, got.Runs, got.Missed)
	}
	for i, id := range ids {
		tick := got.Anchor.Add(time.Duration(i) * 50 * time.Millisecond)
		if id != schedule.TickID("s", tick) {
			t.Fatalf("task %d is %s, not of tick %s", i, id, tick)
		}
		ns, err := s.rdb.HGet(t.Context(), "asynq:{default}:t:"+id, "pending_since").Int64()
		s.must(err)
		// The beat knows the time of Redis but for the way there and back, which is small beside a minute on any machine.
		if early := tick.Sub(time.Unix(0, ns)); early > time.Second {
			t.Errorf("%s was %s early", id, early)
		}
	}
}

// The rules of a time zone have changed since the next tick was planned. The next leader goes by those of today.
func TestPlannedTicksFollowTheZone(t *testing.T) {
	s := newStage(t)
	s.put("s", spec(func(sp *schedule.Spec) { sp.Cron, sp.Timezone = "30 2 * * *", "Europe/Berlin" }))
	want := s.get("s").Next
	_, err := s.store.Update(t.Context(), "s", func(c *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		planned := *c
		planned.Next = want.Add(time.Hour)
		planned.Due = planned.Next
		return &planned, nil, nil
	})
	s.must(err)
	s.lead(s.config())
	s.eventually("it is planned anew", func() bool { return s.get("s").Next.Equal(want) })
}

// Redis' clock was days ahead, and is set right: ticks go on by the right time.
func TestClockOfRedisIsSetBackByDays(t *testing.T) {
	s := newStage(t)
	set := &storetest.SetClock{}
	rdb := redis.NewClient(s.rdb.(*redis.Client).Options())
	t.Cleanup(func() { rdb.Close() })
	rdb.AddHook(set)
	clock := clockOf(t, rdb)
	s.store = redisstore.NewSchedules(s.rdb, clock, s.queues())
	s.put("s", spec(func(sp *schedule.Spec) { sp.Every, sp.MaxInstances = task.Duration(100*time.Millisecond), 0 }))
	set.By(48 * time.Hour)
	s.must(clock.Sync(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := beat.New(s.config()); ctx.Err() == nil; { // as the elector does
			_ = b.Lead(ctx, s.newTerm(), always)
		}
	}()
	s.eventually("it fires", func() bool { return s.get("s").Runs >= 3 })
	set.By(0)
	s.must(clock.Sync(ctx))
	s.eventually("it fires by the right time", func() bool {
		last := s.get("s").LastRunAt
		return last.Before(time.Now().Add(time.Hour))
	})
	cancel()
	<-done
	seen := make(map[string]bool)
	for _, id := range s.pending("default") {
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
	}
}

// wrong is a clock that tells another time of day.
func wrong(skew time.Duration) lease.Clock {
	right := lease.SystemClock()
	return func() lease.Instant {
		now := right()
		now.Wall = now.Wall.Add(skew)
		return now
	}
}
