package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/backbeat-go/backbeat/internal/audit"
	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/httpapi/auditlog"
	"github.com/backbeat-go/backbeat/task"
)

// noAudit forgets at once.
type noAudit struct{ auditlog.Store }

func (noAudit) Record(context.Context, *audit.Entry) error { return nil }

// auditStub keeps entries, or answers with err.
type auditStub struct {
	auditlog.Store
	err      error
	recorded chan struct{} // gets a word for each; nil: nobody looks

	mu      sync.Mutex
	entries []audit.Entry
}

func (a *auditStub) Record(ctx context.Context, e *audit.Entry) error {
	if ctx.Err() == nil {
		a.mu.Lock()
		a.entries = append(a.entries, *e)
		a.mu.Unlock()
	}
	if a.recorded != nil {
		a.recorded <- struct{}{}
	}
	return a.err
}

func (a *auditStub) all() []audit.Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]audit.Entry(nil), a.entries...)
}

func (a *auditStub) newest() audit.Entry {
	all := a.all()
	if len(all) == 0 {
		return audit.Entry{}
	}
	return all[len(all)-1]
}

// withKeys asks callers who they are.
func withKeys(t *testing.T) func(*httpapi.Config) {
	a, err := auth.New(auth.Config{Keys: []auth.Key{
		{Name: "ops", Secret: "secret-of-ops", Scopes: []string{"*"}},
		{Name: "reader", Secret: "secret-of-reader", Scopes: []string{auth.TasksRead}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return func(c *httpapi.Config) { c.Auth, c.RefusalRate = a, manyRefusals }
}

func TestAuditTellsWhoChangedWhat(t *testing.T) {
	base, _ := serveBroker(t, withKeys(t), func(c *httpapi.Config) {
		c.Monitor = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	})
	const definition = `{"every":"1h","task":{"type":"echo","payload":{"password":"hunter2"}}}`
	steps := []struct{ method, path, body, entry string }{
		{"POST", "/v1/tasks", `{"type":"echo","id":"a","payload":{"password":"hunter2"}}`, ""},
		{"POST", "/v1/tasks/batch", `{"tasks":[{"type":"echo"}]}`, ""},
		{"GET", "/v1/tasks/a", "", ""},
		{"GET", "/v1/audit", "", ""},
		{"POST", "/v1/tasks/a/run", "", "task.run a 409"},
		{"POST", "/v1/tasks/a/cancel", "", "task.cancel a 200"},
		{"POST", "/v1/tasks/a/retry", "", "task.retry a 200"},
		{"DELETE", "/v1/tasks/a", "", "task.delete a 204"},
		{"DELETE", "/v1/tasks/a%40b", "", "task.delete a@b 404"},
		{"POST", "/v1/tasks/bulk", `{"action":"cancel","filter":{"type":"echo","state":"pending"},"dry_run":true}`, ""},
		{"POST", "/v1/tasks/bulk", `{"action":"cancel","filter":{"type":"echo","state":"pending","older_than":"24h"}}`, "task.bulk cancel state=pending type=echo older_than=24h 200 matched=0 changed=0 skipped=0"},
		{"POST", "/v1/tasks/bulk", `{"action":"cancel"}`, "task.bulk /v1/tasks/bulk 422"},
		{"POST", "/v1/queues/low/pause", "", "queue.pause low 200"},
		{"POST", "/v1/queues/low/resume", "", "queue.resume low 200"},
		{"PUT", "/v1/schedules/s", definition, "schedule.put s 201"},
		{"PATCH", "/v1/schedules/s", `{"max_runs":3}`, "schedule.patch s 200"},
		{"POST", "/v1/schedules/s/pause", "", "schedule.pause s 200"},
		{"POST", "/v1/schedules/s/resume", "", "schedule.resume s 200"},
		{"POST", "/v1/schedules/s/trigger", "", "schedule.trigger s 202"},
		{"POST", "/v1/schedules/preview", `{"every":"1h"}`, ""},
		{"DELETE", "/v1/schedules/s", "", "schedule.delete s 204"},
		{"GET", "/monitor/api/queues", "", ""},
		{"DELETE", "/monitor/api/queues/low", "", "monitor.delete /monitor/api/queues/low 204"},
	}
	var entries []string
	for i, s := range steps {
		ask(t, s.method, base+s.path, s.body, "Authorization", "Bearer secret-of-ops", "X-Request-Id", fmt.Sprint("step-", i))
		if s.entry != "" {
			entries = append(entries, fmt.Sprint("step-", i, " key:ops ", s.entry))
		}
	}
	// Refused for what it may not do; one whom nobody knows is not recorded.
	ask(t, "DELETE", base+"/v1/tasks/a", "", "Authorization", "Bearer secret-of-reader", "X-Request-Id", "refused")
	entries = append(entries, "refused key:reader task.delete a 403")
	ask(t, "DELETE", base+"/v1/tasks/a", "", "Authorization", "Bearer guess")

	var got []string
	text := ""
	for cursor := ""; ; {
		page := ask(t, "GET", base+"/v1/audit?limit=4"+cursor, "", "Authorization", "Bearer secret-of-ops")
		text += page.body
		var list struct {
			Items []struct {
				Time, RequestID, Principal, Action, Target, Detail, RemoteAddr string
				Status                                                         int
			}
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(strings.NewReplacer("request_id", "RequestID", "remote_addr", "RemoteAddr").Replace(page.body)), &list); err != nil {
			t.Fatal(err)
		}
		for _, e := range list.Items {
			line := strings.TrimSpace(fmt.Sprint(e.RequestID, " ", e.Principal, " ", e.Action, " ", e.Target, " ", e.Status, " ", e.Detail))
			got = append([]string{line}, got...)
			if e.RemoteAddr != "127.0.0.1" || len(e.Time) != len("2026-11-21T11:00:00.000Z") {
				t.Errorf("%+v", e)
			}
		}
		if list.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + list.NextCursor
	}
	if strings.Join(got, "\n") != strings.Join(entries, "\n") {
		t.Errorf("recorded\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(entries, "\n"))
	}
	if strings.Contains(text, "hunter2") || strings.Contains(text, "secret-of") {
		t.Errorf("a secret is in the log: %s", text)
	}
	for _, cursor := range []string{"x", "1", "1-", "-1", "1-99999999999999999999", "%28", "1-1-1"} {
		if got := ask(t, "GET", base+"/v1/audit?cursor="+cursor, "", "Authorization", "Bearer secret-of-ops"); got.status != 422 {
			t.Errorf("cursor %s: %d", cursor, got.status)
		}
	}
}

// Every call that changes something is recorded, but for those that hand tasks in or only look.
func TestEveryChangeIsAudited(t *testing.T) {
	log := &auditStub{}
	base, _ := serveBroker(t, func(c *httpapi.Config) { c.Audit = log })
	for path, operations := range readOpenAPI(t, base).Paths {
		for method := range operations {
			call := strings.ToUpper(method) + " " + path
			before := len(log.all())
			ask(t, strings.ToUpper(method), base+strings.NewReplacer("{id}", "x", "{queue}", "x").Replace(path), "")
			recorded := len(log.all()) > before
			exempt := call == "POST /v1/tasks" || call == "POST /v1/tasks/batch" || call == "POST /v1/schedules/preview"
			if want := method != "get" && !exempt; recorded != want {
				t.Errorf("%s: recorded %v, want %v", call, recorded, want)
			}
		}
	}
}

func TestAuditEntriesAreBounded(t *testing.T) {
	log := &auditStub{}
	base := serve(t, &quickBulk{}, func(c *httpapi.Config) { c.Audit = log })
	ask(t, "POST", base+"/v1/tasks/bulk", `{"action":"cancel","filter":{"type":"`+strings.Repeat("é\\u0000", 5000)+`"}}`)
	e := log.newest()
	if data, err := json.Marshal(e); err != nil || e.Target == "" || len(e.Target) > 256 || strings.Contains(e.Target, "\uFFFD") || len(data) > 2000 {
		t.Errorf("%d bytes, target of %d: %+v, %v", len(data), len(e.Target), e, err)
	}
}

// The log has what the store does not take.
func TestAuditWithoutItsStore(t *testing.T) {
	var log bytes.Buffer
	handler := httpapi.New(httpapi.Config{
		AllowedHosts: testHosts, Tasks: &quickBulk{}, Audit: &auditStub{err: task.Unavailable(io.ErrUnexpectedEOF)}, Types: registry(t),
		Logger: slog.New(slog.NewJSONHandler(&log, nil)), MaxBodyBytes: maxBodyBytes,
	})
	req := httptest.NewRequest(http.MethodPost, "/v1/tasks/bulk", strings.NewReader(cancelEchoes))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", "mine-17")
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, req)
	if rec.Code != http.StatusOK {
		t.Errorf("status %d", rec.Code)
	}
	var entry struct {
		Level string
		Audit struct {
			Action, Target string
			Status         int
			RequestID      string `json:"request_id"`
		}
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if err := json.Unmarshal([]byte(lines[0]), &entry); err != nil {
		t.Fatal(err)
	}
	if a := entry.Audit; a.Action != "task.bulk" || a.Target != "cancel type=echo" || a.Status != 200 || a.RequestID != "mine-17" {
		t.Errorf("%s", lines[0])
	}
	if len(lines) != 2 || !strings.Contains(lines[1], `"WARN"`) || !strings.Contains(lines[1], "mine-17") {
		t.Errorf("%q", lines)
	}
}

// A caller over its limit changes nothing, and must not be able to push out what others did.
func TestWhatIsOverTheLimitIsNotAudited(t *testing.T) {
	log := &auditStub{}
	base := serve(t, &stub{}, func(c *httpapi.Config) {
		c.Audit, c.RateLimit, c.Buckets = log, fiveAnHour, &fixed{}
	})
	if got := ask(t, "POST", base+"/v1/queues/default/pause", ""); got.status != 429 || len(log.all()) > 0 {
		t.Errorf("%d, recorded %+v", got.status, log.all())
	}
}
