// Package storetest is what every store of schedules must do, as tests: a schedule.Store and a schedule.Journal on the
// same schedules, and a lease.Store that names the terms which the journal is fenced by.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// Schedules is a store as its users and its leader see it.
type Schedules interface {
	schedule.Store
	schedule.Journal
}

// Backend is an empty store.
type Backend struct {
	Schedules Schedules
	Lease     lease.Store
	// Left names what the store keeps by now, but for terms and their leaders.
	Left func(t *testing.T) []string
}

// Queues hears what a store tells the queues when it deletes a schedule.
type Queues struct {
	mu        sync.Mutex
	fenced    int64
	forgotten []string
}

// Fence notes the newest term that the queues were fenced with.
func (q *Queues) Fence(_ context.Context, term int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fenced = max(q.fenced, term)
	return nil
}

// Forget notes that a schedule was forgotten.
func (q *Queues) Forget(_ context.Context, scheduleID string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forgotten = append(q.forgotten, scheduleID)
	return nil
}

// Run runs all tests, each on a store of its own, which is to tell the queues about deletions.
func Run(t *testing.T, open func(t *testing.T, queues *Queues) Backend) {
	for name, test := range map[string]func(*suite){
		"what is put is read back":                     (*suite).putAndGet,
		"changes do not undo each other":               (*suite).concurrentUpdates,
		"lists":                                        (*suite).lists,
		"deletion leaves nothing":                      (*suite).deletion,
		"deletion of what was checked":                 (*suite).deletionChecked,
		"what is due":                                  (*suite).due,
		"commits move on what nobody has changed":      (*suite).commits,
		"commits of an earlier term":                   (*suite).deposed,
		"batches are in the outbox until acknowledged": (*suite).batches,
		"acknowledged ticks are in the history once":   (*suite).acks,
		"what is due after an acknowledgement":         (*suite).dueAfterAck,
		"the history is bounded":                       (*suite).history,
		"changes are heard":                            (*suite).changes,
		"deletion waits for the leader":                (*suite).deletionWaits,
		"deletion where none leads":                    (*suite).deletionWithoutLeader,
		"deletion of the only schedule of a batch":     (*suite).deletionOfAll,
		"a deposed leader acknowledges nothing":        (*suite).deposedAck,
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{T: t, queues: &Queues{}}
			s.Backend = open(t, s.queues)
			s.start = s.Schedules.Now().Truncate(time.Second)
			test(s)
		})
	}
}

// suite is a test on a store.
type suite struct {
	*testing.T
	Backend
	queues *Queues
	start  time.Time
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) wantNotFound(what string, err error) {
	s.Helper()
	if task.CodeOf(err) != task.CodeNotFound {
		s.Errorf("%s: %v, want that it is not found", what, err)
	}
}

func (s *suite) wantDeposed(what string, err error) {
	s.Helper()
	if !errors.Is(err, schedule.ErrDeposed) {
		s.Errorf("%s: %v, want that another leads", what, err)
	}
}

func same[T any](s *suite, what string, got, want T) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func spec() schedule.Spec {
	spec := schedule.NewSpec()
	spec.Every = task.Duration(time.Minute)
	spec.Task = schedule.Template{Type: "job", Payload: json.RawMessage(`{"n":1}`)}
	return spec
}

// put makes a schedule whose next tick is some minutes after the start.
func (s *suite) put(id string, minutes int) *schedule.Schedule {
	s.Helper()
	return s.update(id, func(current *schedule.Schedule) *schedule.Schedule {
		made, err := schedule.Put(current, id, spec(), false, schedule.OriginAPI, s.Schedules.Now())
		s.must(err)
		made.Next, made.Due = s.minute(minutes), s.minute(minutes)
		return made
	})
}

func (s *suite) minute(n int) time.Time { return s.start.Add(time.Duration(n) * time.Minute) }

func (s *suite) update(id string, change func(current *schedule.Schedule) *schedule.Schedule, runs ...schedule.Run) *schedule.Schedule {
	s.Helper()
	got, err := s.Schedules.Update(s.Context(), id, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		return change(current), runs, nil
	})
	s.must(err)
	return got
}

func (s *suite) get(id string) *schedule.Schedule {
	s.Helper()
	got, err := s.Schedules.Get(s.Context(), id)
	s.must(err)
	return got
}

func (s *suite) load(ids ...string) []*schedule.Loaded {
	s.Helper()
	list, err := s.Schedules.Load(s.Context(), ids)
	s.must(err)
	return list
}

func (s *suite) dueIDs(from, until time.Time) []string {
	s.Helper()
	ids, err := s.Schedules.Due(s.Context(), from, until, -1)
	s.must(err)
	return ids
}

// runs returns the history of schedule s.
func (s *suite) runs() []schedule.Run {
	s.Helper()
	runs, err := s.Schedules.Runs(s.Context(), "s", schedule.RunsKept+1)
	s.must(err)
	return runs
}

// lead begins a term, as another process than those before.
func (s *suite) lead() (term int64, resign func()) {
	s.Helper()
	who := lease.Holder{ID: time.Now().String(), Host: "host", PID: 1}
	grant, err := s.Lease.Acquire(s.Context(), lease.Candidate{Holder: who}, time.Minute)
	s.must(err)
	if !grant.Leads {
		s.Fatalf("the lease is another's: %+v", grant)
	}
	who.Term = grant.Term
	return grant.Term, func() {
		s.Helper()
		s.must(s.Lease.Resign(s.Context(), who))
	}
}

// tick is a step that moves a schedule on by a minute and fires its tick.
func (s *suite) tick(loaded *schedule.Loaded) *schedule.Step {
	next := *loaded.Schedule
	run := schedule.Run{
		Tick: next.Next, FiredAt: next.Next.Add(1500 * time.Millisecond), Lateness: 1500 * time.Millisecond,
		TaskID: schedule.TickID(next.ID, next.Next), Outcome: schedule.Fired,
	}
	next.LastRunAt, next.LastTaskID, next.Runs = run.FiredAt, run.TaskID, next.Runs+1
	next.Unfinished = append(next.Unfinished[:len(next.Unfinished):len(next.Unfinished)], run.TaskID)
	next.Next = next.Next.Add(time.Minute)
	next.Due = next.Next
	entry := &schedule.OutboxEntry{ScheduleID: next.ID, Run: run, Queue: "default", Message: []byte("of " + next.ID + "\n1 2 3 4\n\x00\xff")}
	return &schedule.Step{Loaded: &schedule.Loaded{Schedule: &next, Version: loaded.Version}, Entries: []*schedule.OutboxEntry{entry}}
}

func (s *suite) commit(term int64, batch string, steps ...*schedule.Step) (written []bool) {
	s.Helper()
	written, err := s.Schedules.Commit(s.Context(), term, batch, steps)
	s.must(err)
	return written
}

// tickAll commits a tick of each schedule as a batch.
func (s *suite) tickAll(term int64, batch string, ids ...string) *schedule.Batch {
	s.Helper()
	b := &schedule.Batch{ID: batch}
	var steps []*schedule.Step
	for _, loaded := range s.load(ids...) {
		step := s.tick(loaded)
		steps, b.Entries = append(steps, step), append(b.Entries, step.Entries...)
	}
	for i, ok := range s.commit(term, batch, steps...) {
		if !ok {
			s.Fatalf("the tick of %s was not taken", steps[i].ID)
		}
	}
	return b
}

// outbox returns all batches in the outbox, by their ids.
func (s *suite) outbox() map[string]*schedule.Batch {
	s.Helper()
	all := make(map[string]*schedule.Batch)
	for cursor := uint64(0); ; {
		list, broken, next, err := s.Schedules.Outbox(s.Context(), cursor)
		s.must(errors.Join(append(broken, err)...))
		for _, b := range list {
			all[b.ID] = b
		}
		if cursor = next; cursor == 0 {
			return all
		}
	}
}
