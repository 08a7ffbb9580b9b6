package httpapi_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/internal/httpapi"
)

func newHandler(t testing.TB) http.Handler {
	return httpapi.New(httpapi.Config{
		Tasks: &stub{}, Registry: registry(t), Logger: slog.New(slog.DiscardHandler), MaxBodyBytes: maxBodyBytes,
	})
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
	} {
		f.Add(seed)
	}
	handler := newHandler(f)
	f.Fuzz(func(t *testing.T, body string) {
		isNoFaultOfOurs(t, handler, "POST", "/v1/tasks", strings.NewReader(body))
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
