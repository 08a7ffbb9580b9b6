package broker_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/ticks"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// tick is a committed tick that is not yet enqueued.
func (f *workshop) tick(n int) *schedule.OutboxEntry {
	f.t.Helper()
	at := time.UnixMilli(int64(n) * 1000)
	run := schedule.Run{Tick: at, TaskID: schedule.TickID("s", at)}
	made := f.prepare(task.Request{Type: "echo", Schedule: &task.Tick{ScheduleID: "s", At: at}})
	made.ID = run.TaskID
	return &schedule.OutboxEntry{ScheduleID: "s", Run: run, Queue: "default", Message: ticks.New(f.rdb, f.client).Encode(made)}
}

// batch is one of ticks.
func (f *workshop) batch(id string, ticks ...int) *schedule.Batch {
	f.t.Helper()
	b := &schedule.Batch{ID: id}
	for _, n := range ticks {
		b.Entries = append(b.Entries, f.tick(n))
	}
	return b
}

// take takes a task off its queue and leaves nothing of it, as the end of one does that is not retained.
func (f *workshop) take(id string) {
	f.t.Helper()
	got, err := f.rdb.RPop(f.t.Context(), "asynq:{default}:pending").Result()
	f.must(err)
	if got != id {
		f.t.Fatalf("got %s, want %s", got, id)
	}
	f.must(f.rdb.Del(f.t.Context(), "asynq:{default}:t:"+id).Err())
}

func (f *workshop) wantPending(n int64) {
	f.t.Helper()
	if got := f.rdb.LLen(f.t.Context(), "asynq:{default}:pending").Val(); got != n {
		f.t.Errorf("%d tasks are pending, want %d", got, n)
	}
}

// Whoever is not the newest leader can neither enqueue a tick nor make others forget that they did.
func TestEarlierLeadersOfTheBeatAreShutOut(t *testing.T) {
	f := newFleet(t)
	ctx := t.Context()
	beat := ticks.New(f.rdb, f.client)
	first, second := f.batch("1-1", 1), f.batch("1-2", 2)
	f.must(beat.Fence(ctx, 1))
	f.must(beat.EnqueueTicks(ctx, 1, first))
	f.take(first.Entries[0].Run.TaskID)
	f.must(beat.EnqueueTicks(ctx, 1, first)) // told again: it is known, though nothing is left of its tasks
	f.wantPending(0)

	f.must(beat.Fence(ctx, 2))
	_, endsErr := beat.Ends(ctx, 1, "default", 0, 10)
	for what, err := range map[string]error{
		"fence": beat.Fence(ctx, 1), "enqueue": beat.EnqueueTicks(ctx, 1, second), "forget": beat.ForgetTicks(ctx, 1), "ends": endsErr,
	} {
		if !errors.Is(err, schedule.ErrDeposed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	f.wantPending(0)
	f.must(beat.EnqueueTicks(ctx, 2, first))
	f.must(beat.EnqueueTicks(ctx, 2, second))
	f.wantPending(1)
	f.take(second.Entries[0].Run.TaskID)

	f.must(beat.Acked(ctx, first))
	f.must(beat.EnqueueTicks(ctx, 2, second)) // it is not the one that was acknowledged
	f.wantPending(0)
	f.must(beat.Acked(ctx, second))
	if keys := f.rdb.Exists(ctx, "backbeat:{default}:ticks").Val(); keys != 0 {
		t.Error("acknowledged batches are still known")
	}
}

// A task that somebody else made under the id of a tick stands in its place; the others of the batch are made.
func TestForeignTaskUnderTheIDOfATick(t *testing.T) {
	f := newFleet(t)
	beat := ticks.New(f.rdb, f.client)
	batch := f.batch("1-1", 1, 2, 3)
	foreign := batch.Entries[1].Run.TaskID
	f.enqueue(task.Request{Type: "echo", ID: foreign, Metadata: map[string]string{"of": "somebody"}})
	f.must(beat.EnqueueTicks(t.Context(), 1, batch))
	f.wantPending(3)
	got, err := f.client.Get(t.Context(), foreign)
	f.must(err)
	if got.Metadata["of"] != "somebody" {
		t.Errorf("the task of somebody else was overwritten: %+v", got)
	}
}

// However a task of a schedule ends, the beat hears of it, once.
func TestEndsOfTicksAreTold(t *testing.T) {
	f := newFleet(t)
	ctx := t.Context()
	beat := ticks.New(f.rdb, f.client)
	f.must(beat.EnqueueTicks(ctx, 1, f.batch("1-1", 1, 2, 3)))
	_, err := f.client.Cancel(ctx, f.tick(2).Run.TaskID)
	f.must(err)
	f.must(f.client.Delete(ctx, f.tick(3).Run.TaskID))
	f.worker()
	f.wait(f.tick(1).Run.TaskID)
	f.enqueue(task.Request{Type: "echo"}) // of no schedule
	want := []string{f.tick(2).Run.TaskID + " canceled", f.tick(3).Run.TaskID + " canceled", f.tick(1).Run.TaskID + " succeeded"}
	ends, err := beat.Ends(ctx, 1, "default", 0, 10)
	f.must(err)
	var got []string
	for _, end := range ends {
		got = append(got, fmt.Sprint(end.TaskID, " ", end.State))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if ends, err = beat.Ends(ctx, 1, "default", len(ends), 10); err != nil || len(ends) != 0 {
		t.Errorf("after they were noted: %v, %v", ends, err)
	}
}
