package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

func (s *suite) putAndGet() {
	_, err := s.Schedules.Get(s.Context(), "s")
	s.wantNotFound("a schedule that nobody has put", err)
	_, err = s.Schedules.Runs(s.Context(), "s", 1)
	s.wantNotFound("its runs", err)

	made := s.put("s", 1)
	full := *made
	full.State = schedule.State{
		Revision: 7, Paused: true, PausedReason: schedule.PausedByFailures, FilePaused: true, Anchor: s.minute(-9), Next: s.minute(2),
		Due: s.minute(2).Add(1234 * time.Millisecond), LastRunAt: s.minute(-1), LastTaskID: "s@1", LastState: task.Failed,
		Runs: 1, Missed: 2, Skipped: 3, FailureStreak: 4, Unfinished: []string{"s@1", `odd "task" \`, "s@3"},
	}
	run := schedule.Run{Tick: s.minute(0), FiredAt: s.minute(0), TaskID: "by-hand", Outcome: schedule.Triggered, Reason: schedule.ReasonPaused}
	s.update("s", func(*schedule.Schedule) *schedule.Schedule { return &full }, run)
	same(s, "the schedule", s.get("s"), &full)
	same(s, "its runs", s.runs(), []schedule.Run{run})

	s.update("s", func(current *schedule.Schedule) *schedule.Schedule { return current }, run, run)
	refusal := errors.New("no")
	if _, err := s.Schedules.Update(s.Context(), "s", func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		return &schedule.Schedule{ID: "s"}, nil, refusal
	}); !errors.Is(err, refusal) {
		s.Errorf("a change that fails: %v", err)
	}
	same(s, "the schedule after changes that are none", s.get("s"), &full)
	same(s, "its runs after changes that are none", s.runs(), []schedule.Run{run})
}

func (s *suite) concurrentUpdates() {
	first := s.put("s", 1)
	const editors, changes = 8, 20
	var work sync.WaitGroup
	for range editors {
		work.Go(func() {
			for range changes {
				_, err := s.Schedules.Update(s.Context(), "s", func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
					next := *current
					next.Revision++
					return &next, nil, nil
				})
				if err != nil {
					s.Error(err)
				}
			}
		})
	}
	work.Wait()
	if got := s.get("s").Revision - first.Revision; got != editors*changes {
		s.Errorf("%d of %d changes are left", got, editors*changes)
	}
}

func (s *suite) lists() {
	for _, id := range []string{"d", "b", "a.1", "e", "c"} {
		s.put(id, 1)
	}
	var pages [][]string
	for cursor := ""; ; {
		list, next, err := s.Schedules.List(s.Context(), cursor, 2)
		s.must(err)
		var ids []string
		for _, one := range list {
			ids = append(ids, one.ID)
		}
		pages = append(pages, ids)
		if cursor = next; cursor == "" {
			break
		}
	}
	same(s, "the pages", pages, [][]string{{"a.1", "b"}, {"c", "d"}, {"e"}})
}

func (s *suite) deletion() {
	s.put("s", 1)
	s.put("other", 2)
	term, _ := s.lead()
	s.must(s.Schedules.Ack(s.Context(), term, s.tickAll(term, "1", "s")))
	s.must(s.Schedules.Delete(s.Context(), "s", nil))
	_, err := s.Schedules.Get(s.Context(), "s")
	s.wantNotFound("a schedule that was deleted", err)
	s.wantNotFound("deleting it again", s.Schedules.Delete(s.Context(), "s", nil))
	same(s, "what is due", s.dueIDs(time.Time{}, s.minute(100)), []string{"other"})
	if !slices.Contains(s.queues.forgotten, "s") {
		s.Error("the queues were not told to forget it")
	}
	s.must(s.Schedules.Delete(s.Context(), "other", nil))
	if left := s.Left(s.T); len(left) > 0 {
		s.Errorf("deleted schedules left %q", left)
	}
}

// deletionChecked changes a schedule while its deletion checks it: what is deleted is what was checked last.
func (s *suite) deletionChecked() {
	s.put("s", 1)
	var checked []time.Time
	check := func(current *schedule.Schedule) error {
		if checked = append(checked, current.Next); len(checked) == 1 {
			s.put("s", 2)
			return nil
		}
		return task.Conflict("it has been changed")
	}
	if err := s.Schedules.Delete(s.Context(), "s", check); task.CodeOf(err) != task.CodeConflict {
		s.Errorf("the deletion ended with %v", err)
	}
	same(s, "the next ticks that were checked", len(checked), 2)
	s.get("s") // it is there
	s.must(s.Schedules.Delete(s.Context(), "s", func(*schedule.Schedule) error { return nil }))
	s.wantNotFound("a deletion of nothing", s.Schedules.Delete(s.Context(), "s", check))
	same(s, "checks", len(checked), 2)
}

func (s *suite) due() {
	for id, minute := range map[string]int{"c": 3, "a": 1, "d": 4, "b": 2} {
		s.put(id, minute)
	}
	s.put("paused", 2)
	s.update("paused", func(current *schedule.Schedule) *schedule.Schedule {
		return schedule.Pause(current, schedule.PausedByUser, s.Schedules.Now())
	})
	same(s, "all", s.dueIDs(time.Time{}, s.minute(9)), []string{"a", "b", "c", "d"})
	same(s, "from a time until before another", s.dueIDs(s.minute(2), s.minute(4)), []string{"b", "c"})
	ids, err := s.Schedules.Due(s.Context(), time.Time{}, s.minute(9), 2)
	s.must(err)
	same(s, "the first two", ids, []string{"a", "b"})

	list := s.load("d", "gone", "a")
	if len(list) != 3 || list[0].ID != "d" || list[1] != nil || list[2].ID != "a" {
		s.Errorf("loaded %v", list)
	}
	n, next, err := s.Schedules.Count(s.Context())
	s.must(err)
	if n != 5 || !next.Equal(s.minute(1)) {
		s.Errorf("there are %d schedules, the next is due at %s", n, next)
	}
}

func (s *suite) changes() {
	ctx, cancel := context.WithCancel(s.Context())
	heard := s.Schedules.Changes(ctx)
	next := func(what string) {
		s.Helper()
		for deadline := time.After(patience); ; {
			select {
			case id := <-heard:
				if id == "s" {
					return
				}
			case <-deadline:
				s.Fatalf("nobody heard of %s", what)
			}
		}
	}
	select {
	case <-heard: // it listens now
	case <-time.After(patience):
		s.Fatal("it never listened")
	}
	s.put("s", 1)
	next("a new schedule")
	s.put("s", 2)
	next("a change")
	s.must(s.Schedules.Delete(s.Context(), "s", nil))
	next("a deletion")
	cancel()
	for range heard {
	}
}

// waits reports, while what has been begun still goes on, that it has not ended.
func (s *suite) waits(what string, done <-chan error) {
	s.Helper()
	select {
	case err := <-done:
		s.Fatalf("%s ended at once: %v", what, err)
	case <-time.After(50 * time.Millisecond):
	}
}

func (s *suite) ends(what string, done <-chan error) {
	s.Helper()
	select {
	case err := <-done:
		s.must(err)
	case <-time.After(patience):
		s.Fatalf("%s never ended", what)
	}
}

func (s *suite) deletionWaits() {
	for _, id := range []string{"doomed", "other"} {
		s.put(id, 1)
	}
	term, _ := s.lead()
	first := s.tickAll(term, "1", "doomed", "other")
	unrelated := s.tickAll(term, "2", "other")
	second := s.tickAll(term, "3", "doomed")
	done := make(chan error, 1)
	go func() { done <- s.Schedules.Delete(context.WithoutCancel(s.Context()), "doomed", nil) }()
	s.waits("the deletion", done)
	s.must(s.Schedules.Ack(s.Context(), term, first))
	s.waits("the deletion", done)
	s.must(s.Schedules.Ack(s.Context(), term, second))
	s.ends("the deletion", done)
	same(s, "the outbox", s.outbox(), map[string]*schedule.Batch{"2": unrelated})
	if s.queues.fenced != 0 {
		s.Errorf("the leader was deposed by term %d", s.queues.fenced)
	}
	s.must(s.Schedules.Ack(s.Context(), term, unrelated))
}

// Nobody leads any more, but the last leader may only be stopped.
func (s *suite) deletionWithoutLeader() {
	var ids []string
	for i := range 5 {
		ids = append(ids, fmt.Sprintf("s%d", i))
		s.put(ids[i], 1)
	}
	ids = append(ids, "s2.1") // begins like the one that is deleted
	s.put("s2.1", 1)
	term, resign := s.lead()
	first, second := s.tickAll(term, "1", ids...), s.tickAll(term, "2", "s0", "s1")
	resign()
	s.must(s.Schedules.Delete(s.Context(), "s2", nil))
	first.Entries = slices.Delete(first.Entries, 2, 3)
	same(s, "the outbox", s.outbox(), map[string]*schedule.Batch{"1": first, "2": second})

	_, err := s.Schedules.Commit(s.Context(), term, "3", []*schedule.Step{s.tick(s.load("s0")[0])})
	s.wantDeposed("a commit of the leader that was stopped", err)
	s.wantDeposed("an acknowledgement of it", s.Schedules.Ack(s.Context(), term, second))
	if s.queues.fenced <= term {
		s.Errorf("the queues were fenced with term %d, not with one after %d", s.queues.fenced, term)
	}
	if next, _ := s.lead(); next <= s.queues.fenced {
		s.Errorf("the next leader has term %d, the queues %d", next, s.queues.fenced)
	}
}

func (s *suite) deletionOfAll() {
	s.put("s", 1)
	term, resign := s.lead()
	s.tickAll(term, "1", "s")
	resign()
	s.must(s.Schedules.Delete(s.Context(), "s", nil))
	if left := s.Left(s.T); len(left) > 0 {
		s.Errorf("the deleted schedule left %q", left)
	}
}
