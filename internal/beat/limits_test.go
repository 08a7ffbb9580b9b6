package beat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/beat"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// scales weighs the tasks of each commit.
type scales struct {
	schedule.Journal
	mu      sync.Mutex
	largest int
}

func (j *scales) Commit(ctx context.Context, term int64, batch string, steps []*schedule.Step) ([]bool, error) {
	size := 0
	for _, step := range steps {
		for _, o := range step.Entries {
			size += len(o.Message)
		}
	}
	j.mu.Lock()
	j.largest = max(j.largest, size)
	j.mu.Unlock()
	return j.Journal.Commit(ctx, term, batch, steps)
}

// What many ticks of a large payload owe is written down in several steps, and none of the ticks is lost or doubled.
func TestStepsAreBoundedInBytes(t *testing.T) {
	s := newStage(t)
	large := json.RawMessage(fmt.Sprintf(`{"n":1,"text":%q}`, strings.Repeat("x", 600_000)))
	s.must(s.types.Add(task.Define[map[string]any, task.None]("large").Type))
	s.behind("large", 30*time.Second, func(sp *schedule.Spec) {
		sp.Coalesce, sp.MaxInstances = false, 0
		sp.Task.Type, sp.Task.Payload = "large", large
	})
	s.behind("small", 30*time.Second, func(sp *schedule.Spec) { sp.Coalesce, sp.MaxInstances = false, 0; sp.Task.Queue = "low" })
	anchor := s.get("large").Anchor
	cfg := s.config()
	weighed := &scales{Journal: s.store}
	cfg.Journal = weighed
	stop := s.lead(cfg)
	for _, id := range []string{"large", "small"} {
		s.eventually(id+" has caught up", func() bool { return s.get(id).Next.After(s.store.Now()) })
	}
	s.must(stop())
	if weighed.largest > 5<<20 {
		t.Errorf("a step wrote %d bytes of tasks", weighed.largest)
	}
	got := s.get("large")
	if got.Missed != 0 || got.Runs < 30 {
		t.Errorf("%d runs, %d missed", got.Runs, got.Missed)
	}
	s.lead(s.config()) // of what was committed, all becomes tasks
	s.eventually("all are tasks", func() bool { return len(s.pending("default")) >= int(got.Runs) })
	for i, id := range s.pending("default") {
		if want := schedule.TickID("large", anchor.Add(time.Duration(i)*time.Second)); id != want {
			t.Fatalf("task %d is %s, not %s", i, id, want)
		}
	}
}

// picky is a store that takes no task of one schedule.
type picky struct {
	schedule.Journal
	refuses string
}

func (j *picky) Commit(ctx context.Context, term int64, batch string, steps []*schedule.Step) ([]bool, error) {
	for _, step := range steps {
		if step.ID == j.refuses && len(step.Entries) > 0 {
			return nil, fmt.Errorf("%w: too large", schedule.ErrRefused)
		}
	}
	return j.Journal.Commit(ctx, term, batch, steps)
}

// A schedule whose step is never taken is paused, and told; the others go on.
func TestRefusedStepHindersNobody(t *testing.T) {
	s := newStage(t)
	often := func(sp *schedule.Spec) { sp.Every, sp.MaxInstances = task.Duration(50*time.Millisecond), 0 }
	for _, id := range []string{"a", "bad", "c"} {
		s.put(id, spec(often))
	}
	var log bytes.Buffer
	cfg := s.config()
	cfg.Journal = &picky{s.store, "bad"}
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := beat.New(cfg); ctx.Err() == nil; { // as the elector does: a term ends, and another begins
			_ = b.Lead(ctx, s.newTerm(), always)
		}
	}()
	s.eventually("it is set aside", func() bool { return s.get("bad").PausedReason == schedule.PausedInvalid })
	before := s.get("a").Runs
	s.eventually("the others go on", func() bool { return s.get("a").Runs >= before+5 && s.get("c").Runs >= 5 })
	cancel()
	<-done
	if !strings.Contains(log.String(), "schedule=bad") {
		t.Errorf("the log says nothing of it: %s", log.String())
	}
}

// Keys of single schedules that are of a wrong type hinder nobody else.
func TestHistoryOfAnotherType(t *testing.T) {
	s := newStage(t)
	for _, id := range []string{"a", "b"} {
		s.put(id, spec(func(sp *schedule.Spec) { sp.Every = task.Duration(50 * time.Millisecond) }))
	}
	s.must(s.rdb.Set(t.Context(), "backbeat:schedules:{beat}:runs:b", "what?", 0).Err())
	stop := s.lead(s.config())
	s.eventually("both have a history", func() bool {
		return s.rdb.Type(t.Context(), "backbeat:schedules:{beat}:runs:b").Val() == "list" && len(s.runs("a")) > 1 && len(s.runs("b")) > 1
	})
	s.must(stop())
}

// A queue that takes no tasks keeps only its own schedules waiting. What waited becomes tasks, each tick once.
func TestQueueThatFailsHindersNoOther(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	for id, queue := range map[string]string{"good": "default", "bad": "low"} {
		s.put(id, spec(func(sp *schedule.Spec) {
			sp.Every, sp.Coalesce, sp.MaxInstances = task.Duration(100*time.Millisecond), false, 0
			sp.Task.Queue = queue
		}))
	}
	const low = "asynq:{low}:pending"
	s.must(s.rdb.Set(ctx, low, "what?", 0).Err())
	stop := s.lead(s.config())
	s.eventually("the other goes on", func() bool { return len(s.pending("default")) >= 10 })
	s.must(stop())
	stop = s.lead(s.config()) // another takes over the outbox, and cannot enqueue it either
	before := len(s.pending("default"))
	s.eventually("the other goes on under the next leader", func() bool { return len(s.pending("default")) >= before+10 })
	s.must(s.rdb.Del(ctx, low).Err())
	s.eventually("it catches up", func() bool { return s.get("bad").Next.After(s.store.Now()) && len(s.pending("low")) >= 20 })
	s.must(stop())
	anchor := s.get("bad").Anchor
	for i, id := range s.pending("low") {
		if want := schedule.TickID("bad", anchor.Add(time.Duration(i)*100*time.Millisecond)); id != want {
			t.Fatalf("task %d is %s, not %s", i, id, want)
		}
	}
	if got := s.get("bad"); got.Missed != 0 {
		t.Errorf("%d ticks were missed", got.Missed)
	}
}
