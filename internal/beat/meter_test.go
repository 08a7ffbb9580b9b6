package beat_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/beat"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// tally counts what it is told.
type tally struct {
	mu    sync.Mutex
	ticks map[schedule.Outcome]int64
	late  []time.Duration
}

func newTally() *tally { return &tally{ticks: make(map[schedule.Outcome]int64)} }

func (y *tally) Ticks(outcome schedule.Outcome, n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.ticks[outcome] += int64(n)
}

func (y *tally) Late(d time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.late = append(y.late, d)
}

func (y *tally) told(outcome schedule.Outcome) int64 {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.ticks[outcome]
}

func (y *tally) lates() []time.Duration {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.late[:len(y.late):len(y.late)]
}

// What the meter has been told is what the schedules say of themselves.
func TestMeterIsToldWhatBecomesOfTicks(t *testing.T) {
	s := newStage(t)
	end := s.store.Now().Add(2500 * time.Millisecond)
	const behind = 20 * time.Second
	ids := []string{"coalesced", "each", "late", "skipping", "ages"}
	s.behind("coalesced", behind, func(sp *schedule.Spec) { sp.EndAt = end })
	s.behind("each", behind, func(sp *schedule.Spec) { sp.Coalesce, sp.MaxInstances, sp.EndAt = false, 0, end })
	s.behind("late", time.Hour, func(sp *schedule.Spec) {
		sp.Coalesce, sp.MaxInstances, sp.MisfireGraceTime, sp.EndAt = false, 0, task.Duration(10*time.Second), end
	})
	s.behind("skipping", behind, func(sp *schedule.Spec) { sp.Coalesce, sp.MaxInstances, sp.EndAt = false, 2, end })
	s.behind("ages", 24*time.Hour, func(sp *schedule.Spec) { sp.EndAt = end })
	y := newTally()
	cfg := s.config()
	cfg.Meter = y
	began := s.store.Now()
	stop := s.lead(cfg)

	want := make(map[schedule.Outcome]int64)
	for _, id := range ids {
		s.eventually(id+" has come to its end", func() bool { return s.get(id).Next.IsZero() })
		got := s.get(id)
		want[schedule.Fired] += got.Runs
		want[schedule.Missed] += got.Missed
		want[schedule.Skipped] += got.Skipped
	}
	if want[schedule.Fired] == 0 || want[schedule.Skipped] == 0 || want[schedule.Missed] < 24*3600 {
		t.Fatalf("the schedules came to no more than %v", want)
	}
	s.eventually("each tick has become a task", func() bool { return int64(len(y.lates())) >= want[schedule.Fired] })
	s.must(stop())
	if !maps.Equal(y.ticks, want) || int64(len(y.late)) != want[schedule.Fired] {
		t.Errorf("told of %v and of %d that were late, want %v", y.ticks, len(y.late), want)
	}
	longest := time.Duration(0)
	for _, d := range y.late {
		longest = max(longest, d)
	}
	if spent := s.store.Now().Sub(began); longest < behind || longest > behind+time.Second+spent {
		t.Errorf("the one that was late most was so by %s, want %s and up to %s", longest, behind, time.Second+spent)
	}
}

// lost are queues that ticks do not get to.
type lost struct{ beat.Queues }

func (lost) EnqueueTicks(context.Context, int64, *schedule.Batch) error { return errDied }

// A tick that was in the outbox when a leader died is late by the time until the next one leads, and was fired once.
func TestMeterIsToldOfTicksThatAnEarlierLeaderOwed(t *testing.T) {
	s := newStage(t)
	y := newTally()
	cfg := s.config()
	cfg.Meter = y
	at := s.store.Now().Add(50 * time.Millisecond)
	s.put("once", spec(func(sp *schedule.Spec) { sp.At = at }))
	dying := cfg
	dying.Queues = lost{cfg.Queues}
	stop := s.lead(dying)
	s.eventually("the tick is committed", func() bool { return y.told(schedule.Fired) == 1 })
	_ = stop() // it has died, or does so now
	if got := y.lates(); len(got) != 0 {
		t.Errorf("%v late, and none became a task", got)
	}
	s.lead(cfg)
	s.eventually("the tick has become a task", func() bool { return len(s.pending("default")) == 1 && len(y.lates()) == 1 })
	if n := y.told(schedule.Fired); n != 1 {
		t.Errorf("told %d times", n)
	}
}
