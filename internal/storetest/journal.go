package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

func (s *suite) commits() {
	for _, id := range []string{"a", "b", "c", "gone"} {
		s.put(id, 1)
	}
	term, _ := s.lead()
	var steps []*schedule.Step
	for _, loaded := range s.load("a", "b", "c", "gone") {
		steps = append(steps, s.tick(loaded))
	}
	changed := s.put("b", 5)
	s.must(s.Schedules.Delete(s.Context(), "gone", nil))
	same(s, "what was written", s.commit(term, "1", steps...), []bool{true, false, true, false})
	same(s, "one that was moved on", s.get("a"), steps[0].Schedule)
	same(s, "one that somebody has changed", s.get("b"), changed)
	same(s, "the outbox", s.outbox(), map[string]*schedule.Batch{"1": {ID: "1", Entries: []*schedule.OutboxEntry{steps[0].Entries[0], steps[2].Entries[0]}}})
	if list := s.load("gone"); list[0] != nil {
		s.Errorf("a commit brought back what was deleted: %+v", list[0])
	}

	// Whoever has written a step goes on from there, and from nowhere else.
	same(s, "the next step and a stale one", s.commit(term, "2", s.tick(steps[0].Loaded), s.tick(steps[1].Loaded)), []bool{true, false})
	same(s, "the next step again", s.commit(term, "3", s.tick(steps[0].Loaded)), []bool{false})
	if got := s.get("a").Runs; got != 2 {
		s.Errorf("a has run %d times", got)
	}
}

func (s *suite) deposed() {
	before := s.put("s", 1)
	first, resign := s.lead()
	resign()
	second, _ := s.lead()
	if second <= first {
		s.Fatalf("term %d comes after %d", second, first)
	}
	step := s.tick(s.load("s")[0])
	step.Runs = []schedule.Run{{Tick: s.minute(0), Outcome: schedule.Missed}}
	_, err := s.Schedules.Commit(s.Context(), first, "1", []*schedule.Step{step})
	s.wantDeposed("a commit", err)
	same(s, "the schedule", s.get("s"), before)
	if batches, runs := s.outbox(), s.runs(); len(batches)+len(runs) > 0 {
		s.Errorf("the outbox has %v and the history %v", batches, runs)
	}
}

func (s *suite) deposedAck() {
	s.put("s", 1)
	first, resign := s.lead()
	batch := s.tickAll(first, "1", "s")
	resign()
	second, _ := s.lead()
	s.wantDeposed("an acknowledgement", s.Schedules.Ack(s.Context(), first, batch))
	same(s, "the outbox", s.outbox(), map[string]*schedule.Batch{"1": batch})
	same(s, "runs in the history", len(s.runs()), 0)
	s.must(s.Schedules.Ack(s.Context(), second, batch)) // the next leader has made tasks of it
	same(s, "the outbox after the acknowledgement", len(s.outbox()), 0)
}

func (s *suite) batches() {
	const batches, schedules = 40, 7
	var ids []string
	for i := range schedules {
		ids = append(ids, fmt.Sprintf("s%d", i))
		s.put(ids[i], 1)
	}
	term, _ := s.lead()
	want := make(map[string]*schedule.Batch)
	for i := range batches {
		b := s.tickAll(term, fmt.Sprintf("%d-%d", term, i), ids...)
		want[b.ID] = b
	}
	// Of a schedule that has fallen behind there may be a thousand ticks in one step; and a step without ticks makes no batch.
	flood := s.tick(s.load("s0")[0])
	for i := range 999 {
		entry := *flood.Entries[0]
		entry.Queue, entry.Message, entry.Run.Tick = "low", []byte{}, entry.Run.Tick.Add(time.Duration(i)*time.Second)
		entry.Run.TaskID = schedule.TickID("s0", entry.Run.Tick)
		flood.Entries = append(flood.Entries, &entry)
	}
	s.commit(term, "flood", flood)
	want["flood"] = &schedule.Batch{ID: "flood", Entries: flood.Entries}
	idle := s.tick(s.load("s1")[0])
	idle.Entries = nil
	s.commit(term, "nothing", idle)
	same(s, "the outbox", s.outbox(), want)

	s.must(s.Schedules.Ack(s.Context(), term, want["flood"]))
	delete(want, "flood")
	first := fmt.Sprintf("%d-0", term)
	s.must(s.Schedules.Ack(s.Context(), term, want[first]))
	delete(want, first)
	same(s, "the outbox after two acknowledgements", s.outbox(), want)
}

func (s *suite) acks() {
	for _, id := range []string{"s", "gone"} {
		s.put(id, 1)
	}
	term, _ := s.lead()
	first := s.tickAll(term, "1", "s", "gone")
	second := s.tickAll(term, "2", "s")
	same(s, "runs in the history before the acknowledgement", len(s.runs()), 0)
	done := make(chan error, 1)
	go func() { done <- s.Schedules.Delete(s.Context(), "gone", nil) }()
	for s.load("gone")[0] != nil {
		time.Sleep(time.Millisecond)
	}
	for range 2 {
		s.must(s.Schedules.Ack(s.Context(), term, first))
	}
	s.ends("the deletion", done)
	s.must(s.Schedules.Ack(s.Context(), term, second))
	s.must(s.Schedules.Ack(s.Context(), term, first))
	same(s, "the history", s.runs(), []schedule.Run{second.Entries[0].Run, first.Entries[0].Run})
	s.must(s.Schedules.Delete(s.Context(), "s", nil))
	if left := s.Left(s.T); len(left) > 0 {
		s.Errorf("an acknowledgement left %q of a deleted schedule", left)
	}
}

// While a schedule has ticks in the outbox it may be found too early, never too late; afterwards it is found when it is due.
func (s *suite) dueAfterAck() {
	for _, id := range []string{"ticks", "edited", "paused", "twice", "last"} {
		s.put(id, 1)
	}
	term, _ := s.lead()
	last := s.tick(s.load("last")[0])
	last.Next, last.Due = time.Time{}, time.Time{}
	s.commit(term, "0", last)
	batch := s.tickAll(term, "1", "ticks", "edited", "paused", "twice")
	later := s.tickAll(term, "2", "twice")
	s.put("edited", 9)
	s.update("paused", func(current *schedule.Schedule) *schedule.Schedule {
		return schedule.Pause(current, schedule.PausedByUser, s.Schedules.Now())
	})
	if ids := s.dueIDs(time.Time{}, s.minute(2).Add(1)); !slices.Contains(ids, "ticks") || slices.Contains(ids, "edited") {
		s.Errorf("before the acknowledgement those are due: %q", ids)
	}
	s.must(s.Schedules.Ack(s.Context(), term, batch))
	same(s, "at the second minute", s.dueIDs(s.minute(2), s.minute(3)), []string{"ticks"})
	same(s, "at the third", s.dueIDs(s.minute(3), s.minute(4)), []string{"twice"})
	s.must(s.Schedules.Ack(s.Context(), term, later))
	same(s, "all", s.dueIDs(time.Time{}, s.minute(99)), []string{"ticks", "twice", "edited"})
}

func (s *suite) history() {
	s.put("s", 1)
	term, _ := s.lead()
	const n = schedule.RunsKept + 20
	var newest schedule.Run
	for i := range n {
		b := s.tickAll(term, fmt.Sprint(i), "s")
		s.must(s.Schedules.Ack(s.Context(), term, b))
		newest = b.Entries[0].Run
	}
	runs := s.runs()
	if len(runs) != schedule.RunsKept {
		s.Errorf("the history has %d runs", len(runs))
	}
	same(s, "the newest run", runs[0], newest)

	// How a task ended is told of its run, whether it is a new or an old one.
	step := s.tick(s.load("s")[0])
	step.Entries, step.Runs = nil, []schedule.Run{{Tick: s.minute(0), Outcome: schedule.Skipped, Lateness: time.Second}}
	oldest := runs[len(runs)-2]
	step.Ends = []schedule.End{
		{ScheduleID: "s", TaskID: newest.TaskID, State: task.Succeeded},
		{ScheduleID: "s", TaskID: oldest.TaskID, State: task.Failed},
		{ScheduleID: "s", TaskID: "unknown", State: task.Failed},
	}
	s.commit(term, "ends", step)
	runs = s.runs()
	newest.State, oldest.State = task.Succeeded, task.Failed
	if len(runs) != schedule.RunsKept {
		s.Fatalf("the history has %d runs", len(runs))
	}
	same(s, "the new run", runs[0], step.Runs[0])
	same(s, "the newest task", runs[1], newest)
	same(s, "the oldest task", runs[len(runs)-1], oldest)
}
