package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/schedule"
)

func newHandler(t testing.TB, change ...func(*httpapi.Config)) http.Handler {
	cfg := httpapi.Config{
		Tasks: &stub{}, Audit: noAudit{}, Registry: registry(t), Logger: slog.New(slog.DiscardHandler), MaxBodyBytes: maxBodyBytes,
	}
	for _, f := range change {
		f(&cfg)
	}
	return httpapi.New(cfg)
}

// isNoFaultOfOurs serves the request, whatever it is, and wants no 5xx of it.
func isNoFaultOfOurs(t *testing.T, handler http.Handler, method, target string, body io.Reader) {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return // no server would get to see it
	}
	req := httptest.NewRequest(method, "/", body)
	req.URL = u
	req.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, req)
	if answer.Code >= 500 {
		t.Errorf("%s %q: %d %s", method, target, answer.Code, answer.Body)
	}
}

func FuzzCreateTask(f *testing.F) {
	for _, seed := range []string{
		`{"type":"call","payload":{"url":"https://example.com"}}`, `{"type":"echo","payload":{"n":1e400}}`, `[`, `null`, `"`, ``,
		`{"type":"echo","timeout":"1h","run_at":"2036-01-01T00:00:00+23:59","metadata":{"":""},"max_retries":-1}`,
		`{"type":"echo","deadline":"9999-12-31T23:59:59-23:59","delay":"2562047h47m16.854775807s"}`,
		`{"type":"echo","callback":{"url":"https://example.com","events":["failed","failed"]}}`, `{"type":"echo","callback":{"url":"\u0000","events":[null]}}`,
	} {
		f.Add(seed)
	}
	handler := newHandler(f)
	f.Fuzz(func(t *testing.T, body string) {
		isNoFaultOfOurs(t, handler, "POST", "/v1/tasks", strings.NewReader(body))
	})
}

// noSchedules stands in for a store of schedules that has a single one, and forgets what becomes of it.
type noSchedules struct{ schedule.Store }

func (noSchedules) Now() time.Time { return time.Now() }

func (noSchedules) Update(
	_ context.Context, id string, change func(*schedule.Schedule) (*schedule.Schedule, []schedule.Run, error),
) (*schedule.Schedule, error) {
	spec := schedule.NewSpec()
	spec.Cron, spec.Task = "@daily", schedule.Template{Type: "echo", Payload: []byte(`{"a":{"b":1}}`)}
	old, err := schedule.Put(nil, id, spec, false, schedule.OriginAPI, time.Now())
	if err != nil {
		return nil, err
	}
	changed, _, err := change(old)
	if err == nil {
		_, err = json.Marshal(changed) // what no store can write is a fault of ours
	}
	return changed, err
}

func FuzzSchedules(f *testing.F) {
	for _, seed := range []string{
		everyMinute, `{"cron":"*/5 9-17 * * mon-fri","timezone":"Asia/Shanghai","task":{"type":"echo"},"jitter":"24h","start_at":"9900-12-31T23:59:59Z"}`,
		`{"at":"9999-12-31T23:59:59-23:59","task":{"type":"echo"},"end_at":"9999-12-31T23:59:59-23:59"}`, `{"task":{"payload":{"a":null}}}`,
		`{"every":"8784h","count":1000,"after":"9900-12-31T23:59:59Z","timezone":"Pacific/Kiritimati"}`, `{"cron":"0 0 29 2 *","count":1000}`,
		`{"every":"1s","start_at":"1970-01-01T00:00:00Z","after":"9900-01-01T00:00:00Z"}`, `{"task":null}`, `{"task":[]}`, `[`, `null`, `1e400`, ``,
		`{"every":"1s","task":{"type":"echo","metadata":{"a.b":1,"c":[]},"payload":1e400,"max_retries":1e1}}`, `{"max_runs":1e18,"misfire_grace_time":"9999999h"}`,
	} {
		f.Add(seed)
	}
	handler := newHandler(f, func(c *httpapi.Config) { c.Schedules = noSchedules{} })
	f.Fuzz(func(t *testing.T, body string) {
		isNoFaultOfOurs(t, handler, "PUT", "/v1/schedules/x", strings.NewReader(body))
		isNoFaultOfOurs(t, handler, "PATCH", "/v1/schedules/x", strings.NewReader(body))
		isNoFaultOfOurs(t, handler, "POST", "/v1/schedules/preview", strings.NewReader(body))
	})
}

func FuzzTaskParameters(f *testing.F) {
	for _, seed := range [][2]string{
		{"x", "limit=1&state=failed"}, {"a%40b", "limit=-1"}, {"%2F", "cursor=%00"}, {"..", "state=%zz"}, {"%00", ";"},
		{"x", "wait=0s"}, {"x", "wait=1e9s"}, {"x", "limit=99999999999999999999"},
	} {
		f.Add(seed[0], seed[1])
	}
	handler := newHandler(f)
	f.Fuzz(func(t *testing.T, id, query string) {
		if values, _ := url.ParseQuery(query); values.Get("wait") != "" && values.Get("wait") != "0s" {
			query = "wait=x" + url.QueryEscape(values.Get("wait")) // one that is good would be waited for
		}
		isNoFaultOfOurs(t, handler, "GET", "/v1/tasks?"+query, http.NoBody)
		isNoFaultOfOurs(t, handler, "GET", "/v1/tasks/"+id+"?"+query, http.NoBody)
	})
}
