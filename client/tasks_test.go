package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/tasks"
)

func TestRunReturnsTheResult(t *testing.T) {
	c := connect(t, server)
	in := tasks.Object{RawMessage: json.RawMessage(`{"n":12345678901234567890}`)}
	out, err := client.Run(within(t), c, tasks.DebugEcho, in)
	if err != nil || string(out.RawMessage) != `{"n":12345678901234567890}` {
		t.Errorf("%s, %v", out.RawMessage, err)
	}
}

func TestRunOfWhatDoesNotSucceed(t *testing.T) {
	c, id := connect(t, server), unique("panics")
	_, err := client.Run(within(t), c, tasks.DebugFail, tasks.DebugFailIn{Kind: "panic"}, client.ID(id), client.MaxRetries(0))
	want := &client.TaskError{ID: id, State: client.Failed, Kind: client.KindPanic, Message: "panic: panicked as asked"}
	got, _ := errors.AsType[*client.TaskError](err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRunOfWhatIsCanceled(t *testing.T) {
	c, ctx, id := connect(t, server), within(t), unique("cancel-me")
	done := make(chan error, 1)
	go func() {
		_, err := client.Run(ctx, c, tasks.DebugSleep, tasks.DebugSleepIn{Duration: client.Duration(time.Hour)}, client.ID(id))
		done <- err
	}()
	for {
		if _, err := c.Cancel(ctx, id); err == nil {
			break
		} else if !errors.Is(err, client.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if e, ok := errors.AsType[*client.TaskError](<-done); !ok || e.State != client.Canceled || e.ID != id {
		t.Errorf("error %v", e)
	}
}

func TestRunThatIsGivenUpLeavesTheTask(t *testing.T) {
	c, id := connect(t, server), unique("goes-on")
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan error, 1)
	go func() {
		_, err := client.Run(ctx, c, tasks.DebugSleep, tasks.DebugSleepIn{Duration: client.Duration(time.Second)}, client.ID(id))
		done <- err
	}()
	for {
		if _, err := c.Task(ctx, id); err == nil {
			break
		} else if !errors.Is(err, client.ErrNotFound) {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got, err := c.Wait(within(t), id); err != nil || got.State != client.Succeeded {
		t.Errorf("%v, %v", got, err)
	}
}

func TestResultErrors(t *testing.T) {
	for want, task := range map[string]*client.Task{
		"not finished": {Type: "debug.sleep", State: client.Running},
		"debug.noo":    {Type: "debug.noop", State: client.Succeeded},
		"decode":       {Type: "debug.sleep", State: client.Succeeded, Result: json.RawMessage(`{"slept":7}`)},
		"expired":      {Type: "debug.sleep", State: client.Expired},
	} {
		if _, err := client.Result(tasks.DebugSleep, task); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestOptionsReachTheAPI hands in a task with everything that the API shows again.
func TestOptionsReachTheAPI(t *testing.T) {
	c, ctx, id := connect(t, server), within(t), unique("all-options")
	at := time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()
	sent, err := c.Enqueue(ctx, "debug.echo", map[string]any{"n": 1}, client.ID(id), client.Queue("critical"), client.MaxRetries(0),
		client.Timeout(time.Minute), client.Deadline(at.Add(2*time.Hour)), client.RunAt(at), client.ExpiresAt(at.Add(time.Hour)),
		client.UniqueFor(time.Hour), client.Retention(0), client.Metadata(map[string]string{"tenant": "a"}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Task(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sent, got); diff != "" {
		t.Errorf("(-sent +got):\n%s", diff)
	}
	if got.CreatedAt.IsZero() {
		t.Error("no created_at")
	}
	created := got.CreatedAt
	got.CreatedAt = time.Time{}
	want := &client.Task{
		ID: id, Type: "debug.echo", Queue: "critical", State: client.Scheduled, Payload: json.RawMessage(`{"n":1}`),
		Result: json.RawMessage("null"), Metadata: map[string]string{"tenant": "a"}, RunAt: at, ExpiresAt: at.Add(time.Hour),
		Timeout: client.Duration(time.Minute), Deadline: at.Add(2 * time.Hour), UniqueUntil: created.Add(time.Hour),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = c.Enqueue(ctx, "debug.echo", map[string]any{"n": 1}, client.Queue("critical"), client.UniqueFor(time.Hour))
	if !errors.Is(err, client.ErrConflict) || !strings.Contains(err.Error(), id) {
		t.Errorf("a second one: %v", err)
	}
	if err := c.Delete(ctx, id); err != nil { // which ends its claim to be the only one
		t.Error(err)
	}
}

// TestOptionsThatTheAPIKeepsToItself looks at what it is asked for where its answer does not show it.
func TestOptionsThatTheAPIKeepsToItself(t *testing.T) {
	api := newFake(t)
	api.answer(202, `{"id": "x", "state": "pending"}`)
	c := connect(t, api.URL)
	_, err := c.Enqueue(within(t), "t", nil, client.Timeout(90*time.Second), client.Delay(time.Second), client.Retention(time.Hour),
		client.Callback("https://example.com", client.Failed), client.IdempotencyKey("order-17"), client.Wait(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r := api.requests()[0]
	want := `{"type":"t","timeout":"90s","delay":"1s","retention":"1h","callback":{"url":"https://example.com","events":["failed"]}}`
	if r.body != want || r.header.Get("Idempotency-Key") != "order-17" || r.header.Get("Prefer") != "wait=60" {
		t.Errorf("%s\n%v", r.body, r.header)
	}
}

func TestErrorsTellWhatIsWrong(t *testing.T) {
	c, ctx := connect(t, server), within(t)
	_, err := c.Enqueue(ctx, "http.request", map[string]any{"url": "nonsense"})
	e, ok := errors.AsType[*client.Error](err)
	if !ok || !errors.Is(err, client.ErrInvalid) || e.Status != 422 || e.Title != "Unprocessable Entity" || e.RequestID == "" || e.Detail == "" ||
		len(e.Errors) != 1 || e.Errors[0].Location != "body.payload.url" || e.Method != http.MethodPost || e.Path != "/v1/tasks" {
		t.Errorf("%#v", e)
	}
	for name, call := range map[string]func(id string) error{
		"Task":      func(id string) error { _, err := c.Task(ctx, id); return err },
		"Wait":      func(id string) error { _, err := c.Wait(ctx, id); return err },
		"Cancel":    func(id string) error { _, err := c.Cancel(ctx, id); return err },
		"Retry":     func(id string) error { _, err := c.Retry(ctx, id); return err },
		"RunNow":    func(id string) error { _, err := c.RunNow(ctx, id); return err },
		"Delete":    func(id string) error { return c.Delete(ctx, id) },
		"Schedule":  func(id string) error { _, err := c.Schedule(ctx, id); return err },
		"Queue":     func(id string) error { _, err := c.Queue(ctx, id); return err },
		"Trigger":   func(id string) error { _, err := c.TriggerSchedule(ctx, id); return err },
		"Runs":      func(id string) error { _, err := c.ScheduleRuns(ctx, id, 10); return err },
		"DeleteSch": func(id string) error { return c.DeleteSchedule(ctx, id) },
	} {
		if err := call("nobody"); !errors.Is(err, client.ErrNotFound) || errors.Is(err, client.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSteeringATask(t *testing.T) {
	c, ctx, first, second := connect(t, server), within(t), unique("first"), unique("second")
	later := func(id string) {
		t.Helper()
		if _, err := c.Enqueue(ctx, "debug.echo", nil, client.ID(id), client.Delay(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	later(first)
	if got, err := c.Cancel(ctx, first); err != nil || got.State != client.Canceled {
		t.Errorf("canceled: %v, %v", got, err)
	}
	if got, err := c.Cancel(ctx, first); err != nil || got.State != client.Canceled {
		t.Errorf("canceled again: %v, %v", got, err)
	}
	if _, err := c.Retry(ctx, first); err != nil {
		t.Error(err)
	}
	if got, err := c.Wait(ctx, first); err != nil || got.State != client.Succeeded {
		t.Errorf("retried: %v, %v", got, err)
	}
	later(second)
	if _, err := c.RunNow(ctx, second); err != nil {
		t.Error(err)
	}
	if got, err := c.Wait(ctx, second); err != nil || got.State != client.Succeeded || got.Err() != nil {
		t.Errorf("run now: %v, %v", got, err)
	}
	if err := c.Delete(ctx, second); err != nil {
		t.Error(err)
	}
	if _, err := c.Task(ctx, second); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
}

func TestTasksGoesThroughAllPages(t *testing.T) {
	c, ctx := connect(t, server), within(t)
	requests := make([]client.TaskRequest, 25)
	want := map[string]bool{}
	for i := range requests {
		requests[i] = client.TaskRequest{Type: "debug.sleep", ID: unique("page"), Payload: map[string]string{"duration": "1s"}, Delay: client.Duration(time.Hour)}
		want[requests[i].ID] = true
	}
	if _, err := c.EnqueueBatch(ctx, requests); err != nil {
		t.Fatal(err)
	}
	list := c.Tasks(ctx, client.TaskFilter{Types: []string{"debug.sleep"}, States: []client.State{client.Scheduled}, PageSize: 10})
	for range 2 { // the same iterator begins anew
		got := map[string]bool{}
		for task, err := range list {
			if err != nil {
				t.Fatal(err)
			}
			got[task.ID] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for id := range want {
		if err := c.Delete(ctx, id); err != nil {
			t.Error(err)
		}
	}
}

func TestPagesAreFetchedAsTheyAreNeeded(t *testing.T) {
	api := newFake(t)
	api.answer(200, `{"items": [], "next_cursor": "c2"}`)
	api.answer(200, `{"items": [{"id": "a"}, {"id": "b"}], "next_cursor": "c3"}`)
	api.answer(422, `{"detail": "no"}`)
	c := connect(t, api.URL)
	var ids []string
	var last error
	for task, err := range c.Tasks(within(t), client.TaskFilter{Queues: []string{"low"}}) {
		if last = err; err != nil {
			break
		}
		if ids = append(ids, task.ID); len(api.requests()) != 2 {
			t.Errorf("%d pages fetched for the items of two", len(api.requests()))
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, ids); diff != "" || !errors.Is(last, client.ErrInvalid) {
		t.Errorf("%s; error %v", diff, last)
	}
	for i, want := range []string{"limit=200&queue=low", "cursor=c2&limit=200&queue=low", "cursor=c3&limit=200&queue=low"} {
		if got := api.requests()[i].query; got != want {
			t.Errorf("page %d: %s, want %s", i, got, want)
		}
	}
}
