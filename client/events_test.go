package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/tasks"
)

// stream answers with Server-Sent Events, and keeps the connection open if it is to hang.
func (f *fake) stream(hang bool, text ...string) {
	f.then(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, strings.Join(text, ""))
		if hang {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	})
}

func event(id, name, state string) string {
	return fmt.Sprintf("event: %s\nid: %s\ndata: {\"id\":\"x\",\"state\":%q}\n\n", name, id, state)
}

// follow returns the states that Events yields, and its error.
func follow(ctx context.Context, c *client.Client) (states []client.State, err error) {
	for task, err := range c.Events(ctx, "x") {
		if err != nil {
			return states, err
		}
		states = append(states, task.State)
	}
	return states, nil
}

func TestEventsOfATask(t *testing.T) {
	api := newFake(t)
	api.stream(true, "retry: 1000\n\n", ": heartbeat\n\n", event("e1", "state", "pending"), event("e2", "state", "running"),
		": heartbeat\n\n", event("e3", "progress", "running"), event("e4", "state", "succeeded"))
	states, err := follow(within(t), connect(t, api.URL))
	want := []client.State{client.Pending, client.Running, client.Running, client.Succeeded}
	if diff := cmp.Diff(want, states); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if r := api.requests()[0]; r.path != "/v1/tasks/x/events" || r.header.Get("Accept") != "text/event-stream" {
		t.Errorf("asked for %s as %s", r.path, r.header.Get("Accept"))
	}
}

// TestEventsGoOnWhereTheyBroke breaks the stream in every way there is.
func TestEventsGoOnWhereTheyBroke(t *testing.T) {
	api := newFake(t)
	api.answer(503, "", "Retry-After: 0")
	api.stream(false, event("e1", "state", "pending"))
	api.lose()
	api.stream(false, event("e2", "state", "running"), "event: state\nid: e3\ndata: {\"id\":\"x\",\"state\":\"succ")
	api.answer(429, "")
	api.stream(false, event("e3", "state", "failed"))
	states, err := follow(within(t), connect(t, api.URL))
	want := []client.State{client.Pending, client.Running, client.Failed}
	if diff := cmp.Diff(want, states); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	var last []string
	for _, r := range api.requests() {
		last = append(last, r.header.Get("Last-Event-Id"))
	}
	if diff := cmp.Diff([]string{"", "", "e1", "e1", "e2", "e2"}, last); diff != "" {
		t.Errorf("Last-Event-Id (-want +got):\n%s", diff)
	}
}

// A stream without data is resumed on another connection.
func TestSilentStreamIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, c := inBubble(t)
		api.stream(true, event("e1", "state", "pending"))
		api.stream(false, event("e2", "state", "succeeded"))
		states, err := follow(t.Context(), c)
		if diff := cmp.Diff([]client.State{client.Pending, client.Succeeded}, states); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if r := api.requests(); len(r) != 2 || r[1].header.Get("Last-Event-Id") != "e1" {
			t.Errorf("the requests were %+v", r)
		}
	})
}

func TestHeartbeatsKeepAStreamOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, c := inBubble(t)
		api.then(func(w http.ResponseWriter, _ *http.Request) {
			for range 70 {
				fmt.Fprint(w, ": heartbeat\n\n")
				time.Sleep(time.Minute)
			}
			fmt.Fprint(w, event("e1", "state", "succeeded"))
		})
		c.SetTimeouts(time.Second, time.Minute+time.Second)
		if states, err := follow(t.Context(), c); err != nil || len(states) != 1 || len(api.requests()) != 1 {
			t.Errorf("%v, %v after %d requests", states, err, len(api.requests()))
		}
	})
}

func TestEventsOfNoTask(t *testing.T) {
	api := newFake(t)
	api.answer(404, `{"detail": "there is no task x"}`, "Content-Type: application/problem+json")
	states, err := follow(within(t), connect(t, api.URL))
	if !errors.Is(err, client.ErrNotFound) || len(states) != 0 || len(api.requests()) != 1 {
		t.Errorf("%v, %v", states, err)
	}
}

func TestEventsOfATaskThatIsDeleted(t *testing.T) {
	api := newFake(t)
	api.stream(false, event("e1", "state", "pending"), "event: deleted\ndata: {\"id\":\"x\"}\n\n")
	states, err := follow(within(t), connect(t, api.URL))
	if !errors.Is(err, client.ErrNotFound) || len(states) != 1 || len(api.requests()) != 1 {
		t.Errorf("%v, %v after %d requests", states, err, len(api.requests()))
	}
}

func TestEventsEndWithTheContext(t *testing.T) {
	api := newFake(t)
	api.stream(true, event("e1", "state", "pending"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range connect(t, api.URL).Events(ctx, "x") {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("error %v", last)
	}
}

// The end of the iteration closes the connection.
func TestEndOfIterationClosesTheConnection(t *testing.T) {
	api := newFake(t)
	gone := make(chan struct{})
	api.then(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, event("e1", "state", "pending"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	})
	for range connect(t, api.URL).Events(within(t), "x") {
		break
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the connection is still open")
	}
}

// TestEventsOfTheRealAPI follows a task from its queue to its end.
func TestEventsOfTheRealAPI(t *testing.T) {
	c, ctx := connect(t, server), within(t)
	in := tasks.DebugSleepIn{Duration: client.Duration(2 * time.Second), Steps: 4}
	id := unique("followed")
	if _, err := client.Enqueue(ctx, c, tasks.DebugSleep, in, client.ID(id), client.Delay(time.Hour)); err != nil {
		t.Fatal(err)
	}
	seen := map[client.State]int{}
	percent := 0.0
	var last *client.Task
	for task, err := range c.Events(ctx, id) {
		if err != nil {
			t.Fatal(err)
		}
		seen[task.State]++
		if task.State == client.Scheduled && seen[client.Scheduled] == 1 {
			if _, err := c.RunNow(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		if task.Progress != nil {
			if task.Progress.Percent < percent {
				t.Errorf("%v after %v percent", task.Progress.Percent, percent)
			}
			percent = task.Progress.Percent
		}
		last = task
	}
	if last.State != client.Succeeded || seen[client.Scheduled] == 0 || seen[client.Running] == 0 || percent != 100 {
		t.Errorf("%v, %v percent, at last %+v", seen, percent, last)
	}
}

func TestRunWithoutRetention(t *testing.T) {
	if _, err := client.Run(within(t), connect(t, server), tasks.DebugNoop, struct{}{}); err != nil {
		t.Error(err)
	}
}
