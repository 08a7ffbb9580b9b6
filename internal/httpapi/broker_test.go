package httpapi_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/ticks"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/redistest"
)

// serveBroker serves an API on a Redis of its own, with no worker and no beat.
func serveBroker(t testing.TB, change ...func(*httpapi.Config)) (base string, server *redistest.Server) {
	t.Helper()
	server = redistest.Start(t)
	// A Redis that is gone stays gone here, so there is no use in dialing it again and again.
	return serveRedis(t, redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1}), change...), server
}

// serveRedis serves an API on a client, which it closes.
func serveRedis(t testing.TB, rdb *redis.Client, change ...func(*httpapi.Config)) (base string) {
	t.Helper()
	t.Cleanup(func() { rdb.Close() })
	client := queue.NewClient(rdb, []fleet.Queue{{Name: "default", Weight: 3}, {Name: "low", Weight: 1}})
	t.Cleanup(client.Close)
	tasks := client
	clock := redisstore.NewClock(rdb, lease.SystemClock(), slog.New(slog.DiscardHandler))
	log := redisstore.NewAudit(rdb)
	t.Cleanup(log.Close)
	stores := func(c *httpapi.Config) {
		c.Audit = log
		c.Schedules, c.Beats = redisstore.NewSchedules(rdb, clock, ticks.New(rdb, client)), redisstore.NewLease(rdb)
	}
	return serve(t, tasks, append([]func(*httpapi.Config){stores}, change...)...)
}

// want asks and fails unless the answer has the status. It returns the answer's document.
func want(t *testing.T, status int, method, url, body string) map[string]any {
	t.Helper()
	got := ask(t, method, url, body)
	if got.status != status {
		t.Fatalf("%s %s: %d, want %d: %s", method, url, got.status, status, got.body)
	}
	var doc map[string]any
	if got.body != "" {
		if err := json.Unmarshal([]byte(got.body), &doc); err != nil {
			t.Fatal(err)
		}
	}
	return doc
}

func wantState(t *testing.T, doc map[string]any, state string) {
	t.Helper()
	if doc["state"] != state {
		t.Errorf("state %v, want %s", doc["state"], state)
	}
}

func TestLifeOfATaskThatNobodyRuns(t *testing.T) {
	base, _ := serveBroker(t)
	at := base + "/v1/tasks/order:17@a"

	wantState(t, want(t, 202, "POST", base+"/v1/tasks", `{"type":"echo","id":"order:17@a","delay":"1h","payload":{"n":1}}`), "scheduled")
	want(t, 409, "POST", base+"/v1/tasks", `{"type":"echo","id":"order:17@a"}`)
	want(t, 409, "POST", at+"/retry", "")
	wantState(t, want(t, 200, "GET", base+"/v1/tasks/order%3A17%40a", ""), "scheduled") // as other clients write it
	wantState(t, want(t, 200, "POST", at+"/run", ""), "pending")
	want(t, 409, "POST", at+"/run", "")
	wantState(t, want(t, 200, "GET", at+"?wait=10ms", ""), "pending")
	wantState(t, want(t, 200, "POST", at+"/cancel", ""), "canceled")
	wantState(t, want(t, 200, "POST", at+"/cancel", ""), "canceled") // once more
	wantState(t, want(t, 200, "POST", at+"/retry", ""), "pending")
	want(t, 204, "DELETE", at, "")
	for _, call := range [][2]string{{"GET", at}, {"DELETE", at}, {"POST", at + "/cancel"}, {"POST", at + "/retry"}, {"POST", at + "/run"}} {
		want(t, 404, call[0], call[1], "")
	}
}

func TestATaskShowsItsLimits(t *testing.T) {
	base, _ := serveBroker(t)
	asked := want(t, 202, "POST", base+"/v1/tasks", `{"type":"echo","id":"a","timeout":"90s","deadline":"2036-01-01T00:00:00Z","retention":"2h","unique_for":"10m"}`)
	got := want(t, 200, "GET", base+"/v1/tasks/a", "")
	listed := want(t, 200, "GET", base+"/v1/tasks", "")["items"].([]any)[0].(map[string]any)
	for _, doc := range []map[string]any{asked, got, listed} {
		wantFields(t, doc, `{"timeout":"90s","deadline":"2036-01-01T00:00:00.000Z","retention":"2h","kept_until":null,"total_attempts":0}`)
		wantLater(t, doc, "created_at", "unique_until", 10*time.Minute)
	}
	wantLater(t, want(t, 200, "POST", base+"/v1/tasks/a/cancel", ""), "finished_at", "kept_until", 2*time.Hour)
}

// wantLater fails unless one time of a document is so much later than another.
func wantLater(t *testing.T, doc map[string]any, early, late string, by time.Duration) {
	t.Helper()
	from, _ := time.Parse(time.RFC3339, fmt.Sprint(doc[early]))
	to, err := time.Parse(time.RFC3339, fmt.Sprint(doc[late]))
	if err != nil || to.Sub(from) != by {
		t.Errorf("%s %v, %s %v, want %s between them", early, doc[early], late, doc[late], by)
	}
}

func TestUniqueTaskNamesTheFirst(t *testing.T) {
	base, _ := serveBroker(t)
	first := want(t, 202, "POST", base+"/v1/tasks", `{"type":"echo","payload":{"n":1},"unique_for":"10m"}`)
	second := want(t, 409, "POST", base+"/v1/tasks", `{"type":"echo","payload":{"n":1},"unique_for":"10m"}`)
	if detail := fmt.Sprint(second["detail"]); !strings.Contains(detail, fmt.Sprint(first["id"])) {
		t.Errorf("%q does not name %v", detail, first["id"])
	}
}

func TestPagesHoldEachTaskOnce(t *testing.T) {
	base, _ := serveBroker(t)
	const n = 23
	for i := range n {
		queue := []string{"default", "low"}[i%2]
		want(t, 202, "POST", base+"/v1/tasks", fmt.Sprintf(`{"type":"echo","id":"t%d","queue":%q}`, i, queue))
	}
	seen := map[any]int{}
	url := base + "/v1/tasks?state=pending&type=echo&limit=5"
	for next := url; next != ""; {
		page := want(t, 200, "GET", next, "")
		for _, item := range page["items"].([]any) {
			seen[item.(map[string]any)["id"]]++
		}
		next = ""
		if cursor, more := page["next_cursor"]; more {
			next = url + "&cursor=" + cursor.(string)
		}
	}
	if len(seen) != n {
		t.Errorf("%d tasks, want %d: %v", len(seen), n, seen)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%v came %d times", id, times)
		}
	}
	if low := want(t, 200, "GET", base+"/v1/tasks?queue=low", "")["items"].([]any); len(low) != n/2 {
		t.Errorf("%d tasks in low", len(low))
	}
}

func TestQueuesAndWorkers(t *testing.T) {
	base, _ := serveBroker(t)
	want(t, 202, "POST", base+"/v1/tasks", `{"type":"echo","queue":"low"}`)

	queues := want(t, 200, "GET", base+"/v1/queues", "")["items"].([]any)
	if len(queues) != 2 {
		t.Errorf("%d queues", len(queues))
	}
	low := want(t, 200, "POST", base+"/v1/queues/low/pause", "")
	for _, field := range []string{"name", "weight", "paused", "pending", "running", "scheduled", "retrying", "failed", "succeeded", "latency_ms", "processed_today", "failed_today"} {
		if _, ok := low[field]; !ok {
			t.Errorf("a queue has no %s", field)
		}
	}
	if low["paused"] != true || low["pending"] != 1.0 || low["weight"] != 1.0 {
		t.Errorf("%v", low)
	}
	if low := want(t, 200, "POST", base+"/v1/queues/low/resume", ""); low["paused"] != false {
		t.Errorf("%v", low)
	}
	for _, call := range [][2]string{{"GET", ""}, {"POST", "/pause"}, {"POST", "/resume"}} {
		want(t, 404, call[0], base+"/v1/queues/nope"+call[1], "")
	}
	if workers := want(t, 200, "GET", base+"/v1/workers", "")["items"].([]any); len(workers) != 0 {
		t.Errorf("%v", workers)
	}
	types := want(t, 200, "GET", base+"/v1/task-types", "")["items"].([]any)
	if first := types[0].(map[string]any); first["type"] != "call" || first["result_schema"] != nil || first["payload_schema"] == nil || first["queue"] != "default" ||
		first["origin"] != "builtin" || first["workers"] != 0.0 || first["sdk"] != "" || first["last_seen_at"] != nil || len(first["aliases"].([]any)) != 0 {
		t.Errorf("%v", first)
	}
}

func TestEveryCallSaysWhenRedisIsGone(t *testing.T) {
	base, server := serveBroker(t)
	server.Kill()
	for _, call := range [][3]string{
		{"POST", "/v1/tasks", `{"type":"echo"}`},
		{"GET", "/v1/tasks", ""},
		{"GET", "/v1/tasks/x", ""},
		{"GET", "/v1/tasks/x?wait=1s", ""},
		{"POST", "/v1/tasks/x/cancel", ""},
		{"DELETE", "/v1/tasks/x", ""},
		{"POST", "/v1/tasks/bulk", `{"action":"cancel","filter":{"type":"echo"}}`},
		{"POST", "/v1/tasks/bulk", `{"action":"cancel","filter":{"queue":"low"}}`},
		{"GET", "/v1/audit", ""},
		{"GET", "/v1/queues", ""},
		{"POST", "/v1/queues/low/pause", ""},
		{"GET", "/v1/workers", ""},
		{"PUT", "/v1/schedules/x", everyMinute},
		{"PATCH", "/v1/schedules/x", `{"paused":true}`},
		{"GET", "/v1/schedules", ""},
		{"GET", "/v1/schedules/x", ""},
		{"GET", "/v1/schedules/x/runs", ""},
		{"POST", "/v1/schedules/x/pause", ""},
		{"POST", "/v1/schedules/x/resume", ""},
		{"POST", "/v1/schedules/x/trigger", ""},
		{"DELETE", "/v1/schedules/x", ""},
		{"GET", "/v1/beat", ""},
		{"GET", "/readyz", ""},
	} {
		got := ask(t, call[0], base+call[1], call[2])
		got.problem(t)
		if got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("%s %s: %d, Retry-After %q", call[0], call[1], got.status, got.header.Get("Retry-After"))
		}
	}
	want(t, 200, "GET", base+"/healthz", "")
}
