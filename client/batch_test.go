package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/client"
)

func TestBatchOfAnySize(t *testing.T) {
	c, ctx := connect(t, server), within(t)
	requests := make([]client.TaskRequest, 2500)
	for i := range requests {
		requests[i] = client.TaskRequest{Type: "debug.echo", Payload: map[string]int{"n": i}, ID: unique("batch")}
	}
	requests[1700].Queue = "nowhere"
	results, err := c.EnqueueBatch(ctx, requests)
	if err != nil || len(results) != len(requests) {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, r := range results {
		switch {
		case i == 1700:
			if e, ok := errors.AsType[*client.Error](r.Err); !ok || r.Task != nil || e.Errors[0].Location != "body.tasks[700].queue" {
				t.Errorf("result %d: %v, %v", i, r.Task, r.Err)
			}
		case r.Err != nil || r.Task.ID != requests[i].ID:
			t.Errorf("result %d: %v, %v", i, r.Task, r.Err)
		}
	}
	for _, i := range []int{0, 999, 1000, 2499} {
		got, err := c.Wait(ctx, requests[i].ID)
		if err != nil || string(got.Result) != fmt.Sprintf(`{"n":%d}`, i) {
			t.Errorf("task %d: %v, %v", i, got, err)
		}
	}
}

// Each task is enqueued once, even if answers are lost.
func TestBatchWithLostAnswers(t *testing.T) {
	ctx := within(t)
	taken, err := connect(t, server).Enqueue(ctx, "debug.noop", nil, client.Delay(time.Hour), client.ID(unique("taken")))
	if err != nil {
		t.Fatal(err)
	}
	requests := make([]client.TaskRequest, 20)
	for i := range requests {
		requests[i] = client.TaskRequest{Type: "debug.fail", Delay: client.Duration(time.Hour)}
	}
	requests[7].ID = taken.ID
	requests[8].ID = unique("ours")
	results, err := connect(t, lossyProxy(t, 2).URL).EnqueueBatch(ctx, requests)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if i == 7 {
			if !errors.Is(r.Err, client.ErrConflict) {
				t.Errorf("an id that is taken: %v, %v", r.Task, r.Err)
			}
			continue
		}
		if r.Err != nil || r.Task.State != client.Scheduled {
			t.Errorf("result %d: %v, %v", i, r.Task, r.Err)
		}
	}
	n := 0
	for task, err := range connect(t, server).Tasks(ctx, client.TaskFilter{Types: []string{"debug.fail"}, States: []client.State{client.Scheduled}}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if err := connect(t, server).Delete(ctx, task.ID); err != nil {
			t.Error(err)
		}
	}
	if n != 19 {
		t.Errorf("%d tasks, want 19", n)
	}
}

// A batch that is too large is split.
func TestBatchThatIsTooLarge(t *testing.T) {
	api := newFake(t)
	sizes := []int{}
	api.then(func(w http.ResponseWriter, _ *http.Request) {
		var body struct{ Tasks []client.TaskRequest }
		seen := api.requests()
		if err := json.Unmarshal([]byte(seen[len(seen)-1].body), &body); err != nil {
			t.Error(err)
		}
		if len(body.Tasks) > 3 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		sizes = append(sizes, len(body.Tasks))
		writeBatch(w, body.Tasks, func(client.TaskRequest) bool { return true })
	})
	requests := make([]client.TaskRequest, 10)
	for i := range requests {
		requests[i].ID = fmt.Sprint(i)
	}
	results, err := connect(t, api.URL).EnqueueBatch(within(t), requests)
	if err != nil || fmt.Sprint(sizes) != "[2 3 2 3]" {
		t.Errorf("parts of %v, %v", sizes, err)
	}
	for i, r := range results {
		if r.Err != nil || r.Task.ID != fmt.Sprint(i) {
			t.Errorf("result %d: %v, %v", i, r.Task, r.Err)
		}
	}
}

func TestTaskThatIsTooLarge(t *testing.T) {
	api := newFake(t)
	api.answer(413, "")
	results, err := connect(t, api.URL).EnqueueBatch(within(t), make([]client.TaskRequest, 3))
	if !errors.Is(err, client.ErrTooLarge) || len(results) != 3 {
		t.Errorf("%d results, %v", len(results), err)
	}
	for i, r := range results {
		if !errors.Is(r.Err, client.ErrTooLarge) {
			t.Errorf("result %d: %v", i, r.Err)
		}
	}
}

// If the store becomes unavailable during a batch, only the missing tasks are sent again.
func TestBatchWithOutageOfTheStore(t *testing.T) {
	api := newFake(t)
	var sizes []int
	api.then(func(w http.ResponseWriter, _ *http.Request) {
		var body struct{ Tasks []client.TaskRequest }
		seen := api.requests()
		if err := json.Unmarshal([]byte(seen[len(seen)-1].body), &body); err != nil {
			t.Error(err)
		}
		sizes = append(sizes, len(body.Tasks))
		left := 2
		writeBatch(w, body.Tasks, func(client.TaskRequest) bool { left--; return left >= 0 })
	})
	results, err := connect(t, api.URL).EnqueueBatch(within(t), make([]client.TaskRequest, 5))
	if err != nil || fmt.Sprint(sizes) != "[5 3 1]" {
		t.Errorf("calls for %v, %v", sizes, err)
	}
	for i, r := range results {
		if r.Err != nil || r.Task == nil {
			t.Errorf("result %d: %v, %v", i, r.Task, r.Err)
		}
	}
}

func TestBatchWithLastingOutageOfTheStore(t *testing.T) {
	api := newFake(t)
	api.answer(200, `{"results": [{"status": 202, "task": {"id": "a"}}, {"status": 503, "error": {"detail": "away"}}]}`)
	api.answer(200, `{"results": [{"status": 503, "error": {"detail": "away"}}]}`)
	results, err := connect(t, api.URL).EnqueueBatch(within(t), make([]client.TaskRequest, 2))
	if !errors.Is(err, client.ErrUnavailable) || results[0].Task == nil || !errors.Is(results[1].Err, client.ErrUnavailable) || len(api.requests()) != 5 {
		t.Errorf("%+v, %v after %d calls", results, err, len(api.requests()))
	}
}

func writeBatch(w http.ResponseWriter, tasks []client.TaskRequest, take func(client.TaskRequest) bool) {
	results := make([]map[string]any, len(tasks))
	for i, task := range tasks {
		if take(task) {
			results[i] = map[string]any{"status": 202, "task": map[string]any{"id": task.ID}}
		} else {
			results[i] = map[string]any{"status": 503, "error": map[string]any{"detail": "away"}}
		}
	}
	json.NewEncoder(w).Encode(map[string]any{"results": results})
}

func TestBatchThatIsRefused(t *testing.T) {
	api := newFake(t)
	api.answer(403, "")
	results, err := connect(t, api.URL).EnqueueBatch(within(t), make([]client.TaskRequest, 1500))
	if !errors.Is(err, client.ErrForbidden) || len(api.requests()) != 1 {
		t.Errorf("error %v after %d requests", err, len(api.requests()))
	}
	for i, r := range results {
		if !errors.Is(r.Err, client.ErrForbidden) {
			t.Fatalf("result %d: %v", i, r.Err)
		}
	}
}
