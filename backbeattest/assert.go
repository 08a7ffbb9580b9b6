package backbeattest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/task"
)

// Recorded is a task that was enqueued, with its payload.
type Recorded[In any] struct {
	In   In
	Task *client.Task
}

// Enqueued returns the tasks of a type that a Recorder has, in the order in which they were enqueued.
func Enqueued[In, Out any](t testing.TB, r *Recorder, def task.Definition[In, Out]) []Recorded[In] {
	t.Helper()
	var list []Recorded[In]
	for _, found := range r.Tasks() {
		if found.Type != def.Name && !slices.Contains(def.Aliases, found.Type) {
			continue
		}
		one := Recorded[In]{Task: found}
		if len(found.Payload) > 0 {
			if err := json.Unmarshal(found.Payload, &one.In); err != nil {
				t.Fatalf("decode the payload of task %s: %v", found.ID, err)
			}
		}
		list = append(list, one)
	}
	return list
}

// RequireEnqueued returns the one task of a type that was enqueued. It ends the test if there is none, and if there are
// several.
func RequireEnqueued[In, Out any](t testing.TB, r *Recorder, def task.Definition[In, Out]) Recorded[In] {
	t.Helper()
	list := Enqueued(t, r, def)
	if len(list) != 1 {
		t.Fatalf("%d tasks of type %s were enqueued, want 1; all that were: %s", len(list), def.Name, r)
	}
	return list[0]
}

// RequireNotEnqueued ends the test if a task of a type was enqueued.
func RequireNotEnqueued[In, Out any](t testing.TB, r *Recorder, def task.Definition[In, Out]) {
	t.Helper()
	if list := Enqueued(t, r, def); len(list) > 0 {
		t.Fatalf("%d tasks of type %s were enqueued, want none; the first has the payload %s", len(list), def.Name, list[0].Task.Payload)
	}
}

// AwaitEnqueued waits until a task of a type was enqueued, by another goroutine perhaps, and returns the first. It ends the
// test if there is none after the time limit.
func AwaitEnqueued[In, Out any](t testing.TB, r *Recorder, def task.Definition[In, Out], limit time.Duration) Recorded[In] {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		changed := r.nextChange()
		if list := Enqueued(t, r, def); len(list) > 0 {
			return list[0]
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("no task of type %s was enqueued within %s; all that were: %s", def.Name, limit, r)
		}
	}
}

func (r *Recorder) nextChange() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// String lists the types and payloads of the tasks that were enqueued.
func (r *Recorder) String() string {
	var b strings.Builder
	for _, t := range r.Tasks() {
		b.WriteString("\n\t" + t.Type + " " + string(t.Payload) + " (" + string(t.State) + ")")
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}
