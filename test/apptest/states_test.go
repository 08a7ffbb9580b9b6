package apptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// system is an API and a worker on a real Redis, with the debug tasks.
type system struct {
	*program
	rdb    *redis.Client
	redis  *redistest.Server
	worker *program
}

func newSystem(t *testing.T) *system {
	t.Helper()
	server := redistest.Start(t)
	s := &system{redis: server, rdb: server.Client(t)}
	s.program = start(t, "api", "BACKBEAT_REDIS_URL="+server.URL(), "BACKBEAT_DEBUG_TASKS=true")
	s.worker = s.startWorker()
	return s
}

func (s *system) startWorker() *program {
	return start(s.t, "worker", "BACKBEAT_REDIS_URL="+s.redis.URL(), "BACKBEAT_DEBUG_TASKS=true")
}

// want checks the status of a call and returns the answer.
func (s *system) want(status int, method, path, body string) document {
	s.t.Helper()
	a := s.call(method, path, body)
	if a.Status != status {
		s.t.Errorf("%s %s: %d %s, want %d", method, path, a.Status, a.Body, status)
	}
	if a.Status == http.StatusNoContent {
		return nil
	}
	return a.document(s.t)
}

func TestEachStateOverHTTP(t *testing.T) {
	s := newSystem(t)
	s.want(200, "POST", "/v1/queues/low/pause", "")
	soon := time.Now().Add(3 * time.Second).Format(time.RFC3339Nano)
	for id, body := range map[string]string{
		"scheduled": `"type":"debug.echo","delay":"1h"`,
		"pending":   `"type":"debug.echo","queue":"low"`,
		"running":   `"type":"debug.sleep","payload":{"duration":"1h"}`,
		"retrying":  `"type":"debug.fail","max_retries":1000`,
		"succeeded": `"type":"debug.echo","payload":{"x":12345678901234567890}`,
		"failed":    `"type":"debug.fail","max_retries":0`,
		"canceled":  `"type":"debug.echo","queue":"low"`,
		"expired":   `"type":"debug.echo","queue":"low","expires_at":"` + soon + `"`,
	} {
		s.post(fmt.Sprintf(`{"id":%q,%s}`, id, body))
	}
	s.want(200, "POST", "/v1/tasks/canceled/cancel", "")
	for _, state := range []string{"scheduled", "pending", "running", "retrying", "succeeded", "failed", "canceled", "expired"} {
		got := s.waitState(state, state)
		for _, field := range []string{
			"id", "type", "queue", "state", "payload", "result", "error", "attempt", "total_attempts", "max_retries", "timeout", "deadline",
			"retention", "kept_until", "unique_until", "progress", "metadata", "created_at",
			"run_at", "started_at", "finished_at", "expires_at", "worker", "schedule", "callback", "cancel_requested",
		} {
			if _, ok := got[field]; !ok {
				t.Errorf("%s: the task has no field %s", state, field)
			}
		}
		items, _ := s.want(200, "GET", "/v1/tasks?state="+state, "")["items"].([]any)
		if !slices.ContainsFunc(items, func(item any) bool { one, _ := item.(map[string]any); return one["id"] == state }) {
			t.Errorf("the task is not listed as %s", state)
		}
		terminal := got["finished_at"] != nil
		if want := state == "succeeded" || state == "failed" || state == "canceled" || state == "expired"; terminal != want {
			t.Errorf("%s has finished_at %v", state, got["finished_at"])
		}
	}
	if body := s.call("GET", "/v1/tasks/succeeded", "").Body; !strings.Contains(string(body), `"result":{"x":12345678901234567890}`) {
		t.Errorf("the result was changed on its way: %s", body)
	}

	s.want(409, "DELETE", "/v1/tasks/running", "")
	s.want(200, "POST", "/v1/tasks/running/cancel", "")
	if got := s.wait("running"); got["state"] != "canceled" || got["attempt"] != 1.0 || got["cancel_requested"] != true {
		t.Errorf("a canceled running task: %v", got)
	}
	s.want(409, "POST", "/v1/tasks/succeeded/cancel", "")
	s.want(409, "POST", "/v1/tasks/succeeded/retry", "")
	s.want(409, "POST", "/v1/tasks/pending/run", "")
	s.want(200, "POST", "/v1/tasks/scheduled/run", "")
	if got := s.wait("scheduled"); got["state"] != "succeeded" {
		t.Errorf("a scheduled task that was run: %v", got["state"])
	}
	if got := s.want(200, "POST", "/v1/tasks/expired/retry", ""); got["state"] != "pending" {
		t.Errorf("an expired task that was retried: %v", got["state"])
	}
	s.want(204, "DELETE", "/v1/tasks/failed", "")
	s.want(404, "GET", "/v1/tasks/failed", "")
	s.want(404, "POST", "/v1/tasks/failed/retry", "")
}

// TestPoisonFailsAndItsNeighboursDoNot shows the fifth kind, crashed.
func TestEachErrorKindOverHTTP(t *testing.T) {
	s := newSystem(t)
	for kind, body := range map[string]string{
		"error":     `"type":"debug.fail","max_retries":0`,
		"permanent": `"type":"debug.fail","payload":{"kind":"permanent"}`,
		"panic":     `"type":"debug.fail","payload":{"kind":"panic"},"max_retries":0`,
		"timeout":   `"type":"debug.sleep","payload":{"duration":"1h"},"timeout":"100ms","max_retries":0`,
	} {
		got := s.wait(s.post("{" + body + "}"))
		failure, _ := got["error"].(map[string]any)
		if message, _ := failure["message"].(string); got["state"] != "failed" || failure["kind"] != kind || message == "" || got["attempt"] != 1.0 {
			t.Errorf("%s: %v", kind, got)
		}
	}
	if !strings.Contains(s.worker.logs(), "debug_fail.go") {
		t.Error("the log has no stack of the panic")
	}
}

func TestFirstRetryComesWithinFiveSeconds(t *testing.T) {
	s := newSystem(t)
	id := s.post(`{"type":"debug.fail","payload":{"times":1},"max_retries":1}`)
	first := s.waitState(id, "retrying")
	failed, err1 := time.Parse(time.RFC3339, fmt.Sprint(first["started_at"]))
	next, err2 := time.Parse(time.RFC3339, fmt.Sprint(first["run_at"]))
	if err1 != nil || err2 != nil || next.Sub(failed) > 5*time.Second {
		t.Errorf("failed at %v, next try at %v", first["started_at"], first["run_at"])
	}
	if got := s.wait(id); got["state"] != "succeeded" || got["attempt"] != 2.0 {
		t.Errorf("%v", got)
	}
}

func TestProgressOverHTTP(t *testing.T) {
	s := newSystem(t)
	id := s.post(`{"type":"debug.sleep","payload":{"duration":"3s","steps":3}}`)
	for deadline := time.Now().Add(patience); ; nap() {
		if progress, ok := s.get(id)["progress"].(map[string]any); ok {
			if progress["message"] != "step 1 of 3" {
				t.Errorf("%v", progress)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no progress")
		}
	}
	s.want(200, "POST", "/v1/tasks/"+id+"/cancel", "")
	s.wait(id)
}

// Asynqmon's own API, as its page asks it.
func TestMonitorShowsTasksFromHere(t *testing.T) {
	s := newSystem(t)
	done := s.post(`{"type":"debug.echo","payload":{"n":1}}`)
	later := s.post(`{"type":"debug.echo","queue":"low","delay":"1h"}`)
	s.wait(done)
	for path, want := range map[string][]string{
		"/queues":                         {`"queue":"critical"`, `"queue":"default"`, `"queue":"low"`},
		"/queues/default/tasks/" + done:   {`"state":"completed"`, `"type":"debug.echo"`, `{\"n\":1}`},
		"/queues/low/tasks/" + later:      {`"state":"scheduled"`},
		"/queues/default/completed_tasks": {done},
		"/queues/low/scheduled_tasks":     {later},
		"/queues/default/archived_tasks":  {`"tasks":[]`},
		"/servers":                        {`"concurrency":64`, `"status":"active"`},
		"/redis_info":                     {`"address"`},
		"/scheduler_entries":              {`"entries":[]`},
		"/queue_stats":                    {`"default"`},
	} {
		a := s.call("GET", "/monitor/api"+path, "")
		for _, part := range want {
			if a.Status != 200 || !strings.Contains(string(a.Body), part) {
				t.Errorf("%s: %d %s, want %s", path, a.Status, a.Body, part)
			}
		}
	}
	if a := s.call("POST", "/monitor/api/queues/low:pause", ""); a.Status >= 300 {
		t.Errorf("pause by asynqmon: %d %s", a.Status, a.Body)
	}
	if got := s.want(200, "GET", "/v1/queues/low", ""); got["paused"] != true {
		t.Errorf("%v", got)
	}
}

func TestPagesOverHTTP(t *testing.T) {
	s := newSystem(t)
	const n = 2500
	s.worker.kill()
	for i := range n {
		s.post(fmt.Sprintf(`{"id":"t-%d","type":"debug.echo","queue":%q}`, i, []string{"critical", "default", "low"}[i%3]))
	}
	seen := make(map[string]int)
	for cursor, pages := "", 1; ; pages++ {
		a := s.call("GET", "/v1/tasks?limit=999&cursor="+cursor, "")
		var page struct {
			Items []struct{ ID string }
			Next  string `json:"next_cursor"`
		}
		if err := json.Unmarshal(a.Body, &page); err != nil || a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		for _, item := range page.Items {
			seen[item.ID]++
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	for i := range n {
		if id := fmt.Sprintf("t-%d", i); seen[id] != 1 {
			t.Errorf("%s is listed %d times", id, seen[id])
		}
	}
}
