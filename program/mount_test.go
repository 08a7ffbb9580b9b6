package program_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

// routers are ways to serve an API below /backbeat.
var routers = map[string]func(api http.Handler) http.Handler{
	"mux": func(api http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/backbeat/", api)
		return mux
	},
	"mux that strips": func(api http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/backbeat/", http.StripPrefix("/backbeat", api))
		return mux
	},
	"echo": func(api http.Handler) http.Handler {
		e := echo.New()
		e.Any("/backbeat/*", echo.WrapHandler(api))
		return e
	},
	"echo that strips": func(api http.Handler) http.Handler {
		e := echo.New()
		e.Group("/backbeat").Any("/*", echo.WrapHandler(http.StripPrefix("/backbeat", api)))
		return e
	},
}

// newApp makes an API on a Redis, with settings as environ has them.
func newApp(t *testing.T, redisURL string, environ []string, sets ...task.Set) *program.App {
	t.Helper()
	cfg, err := config.Load(program.API, []string{"--redis-url", redisURL, "--api-max-body-bytes", "4096"}, environ)
	if err != nil {
		t.Fatal(err)
	}
	logger := program.Logger(slog.New(slog.DiscardHandler))
	app, err := program.New(cfg, program.API, append(sets, logger, tasks.Builtin())...)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// run runs an app until the test ends or stop is called, which returns what Run does.
func run(t *testing.T, app *program.App) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx); close(ended) }()
	stop = func() error { cancel(); return <-ended }
	t.Cleanup(func() { _ = stop() })
	select {
	case <-app.Ready():
	case err := <-ended:
		t.Fatalf("it ended before it was ready: %v", err)
	}
	return stop
}

type response struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, method, url, body string, header ...string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Host = req.Header.Get("Host")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{resp.StatusCode, resp.Header, string(data)}
}

var link = regexp.MustCompile(`(?:href|src)="(/[^"]*)"`)

func TestHandlerUnderAPrefix(t *testing.T) {
	redis := redistest.Start(t)
	for name, router := range routers {
		t.Run(name, func(t *testing.T) {
			app := newApp(t, redis.URL(), nil, program.Prefix("/backbeat"))
			server := httptest.NewServer(router(app.Handler()))
			defer server.Close()
			run(t, app)
			seen := map[string]bool{}
			walk(t, server.URL, "/backbeat/", seen)
			for _, part := range []string{"/backbeat/docs/", "/backbeat/monitor/static/js/"} {
				if !slices.ContainsFunc(slices.Collect(maps.Keys(seen)), func(path string) bool { return strings.HasPrefix(path, part) }) {
					t.Errorf("nothing below %s is linked", part)
				}
			}
			var doc struct{ Servers []struct{ URL string } }
			if err := json.Unmarshal([]byte(send(t, "GET", server.URL+"/backbeat/openapi.json", "").body), &doc); err != nil {
				t.Fatal(err)
			}
			if len(doc.Servers) != 1 || doc.Servers[0].URL != "/backbeat" {
				t.Errorf("servers: %+v", doc.Servers)
			}
			made := send(t, "POST", server.URL+"/backbeat/v1/tasks", `{"type":"http.request","payload":{"url":"https://example.com"}}`)
			place := made.header.Get("Location")
			if made.status != 202 || !strings.HasPrefix(place, "/backbeat/v1/tasks/") || send(t, "GET", server.URL+place, "").status != 200 {
				t.Errorf("%d at %q: %s", made.status, place, made.body)
			}
			put := send(t, "PUT", server.URL+"/backbeat/v1/schedules/a%40b", `{"every":"1h","task":{"type":"http.request","payload":{"url":"https://example.com"}}}`)
			if put.status != 422 {
				t.Errorf("a schedule with a bad id: %d %s", put.status, put.body)
			}
			put = send(t, "PUT", server.URL+"/backbeat/v1/schedules/"+strings.ReplaceAll(name, " ", "-"),
				`{"every":"1h","task":{"type":"http.request","payload":{"url":"https://example.com"}}}`)
			if place = put.header.Get("Location"); put.status != 201 || send(t, "GET", server.URL+place, "").status != 200 {
				t.Errorf("%d at %q: %s", put.status, place, put.body)
			}
			for _, path := range []string{"/backbeat/backbeat/v1/queues", "/backbeat/no-such-page", "/backbeat/%2562ackbeat/v1/queues"} {
				if got := send(t, "GET", server.URL+path, ""); got.status != 404 || !strings.Contains(got.body, "/backbeat/docs") {
					t.Errorf("%s: %d %s", path, got.status, got.body)
				}
			}
			if got := send(t, "GET", server.URL+"/backbeat/v1/tasks/a%2Fb%2525", ""); got.status != 404 || !strings.Contains(got.body, "a/b%25") {
				t.Errorf("an id with a slash: %d %s", got.status, got.body)
			}
		})
	}
}

// walk asks for a page and for all that the pages below it link to. All is below the prefix.
func walk(t *testing.T, base, path string, seen map[string]bool) {
	t.Helper()
	if seen[path] {
		return
	}
	seen[path] = true
	got := send(t, "GET", base+path, "")
	if got.status != 200 || !strings.HasPrefix(path, "/backbeat/") {
		t.Errorf("%s: %d", path, got.status)
	}
	if strings.HasSuffix(path, ".js") || strings.HasSuffix(path, ".css") || strings.HasSuffix(path, ".json") {
		if strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s is a page", path) // the dashboard serves its page for what it has not
		}
		return
	}
	if strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		links := link.FindAllStringSubmatch(got.body, -1)
		if len(links) == 0 {
			t.Errorf("%s has no links", path)
		}
		for _, l := range links {
			walk(t, base, l[1], seen)
		}
	}
}

func TestHandlerIsGuarded(t *testing.T) {
	redis := redistest.Start(t)
	const key = "0123456789abcdef0123456789abcdef"
	app := newApp(t, redis.URL(), []string{"BACKBEAT_API_KEYS=ops:" + key + ":tasks.read"}, program.Prefix("/backbeat"))
	server := httptest.NewServer(routers["mux"](app.Handler()))
	defer server.Close()
	run(t, app)
	bearer := []string{"Authorization", "Bearer " + key}
	large := `{"type":"` + strings.Repeat("x", 5000) + `"}`
	for _, tt := range []struct {
		method, path, body string
		header             []string
		want               int
	}{
		{"GET", "/backbeat/healthz", "", nil, 200},
		{"GET", "/backbeat/v1/tasks", "", nil, 401},
		{"GET", "/backbeat/monitor", "", nil, 401},
		{"GET", "/backbeat/v1/tasks", "", bearer, 200},
		{"GET", "/backbeat/v1/queues", "", bearer, 403},
		{"POST", "/backbeat/v1/tasks/bulk", large, bearer, 403},
	} {
		if got := send(t, tt.method, server.URL+tt.path, tt.body, tt.header...); got.status != tt.want {
			t.Errorf("%s %s: %d, want %d: %s", tt.method, tt.path, got.status, tt.want, got.body)
		}
	}

	open := newApp(t, redis.URL(), nil, program.Prefix("/backbeat"))
	local := httptest.NewServer(routers["mux"](open.Handler()))
	defer local.Close()
	run(t, open)
	if got := send(t, "GET", local.URL+"/backbeat/v1/tasks", "", "Host", "rebound.example"); got.status != 403 {
		t.Errorf("another host: %d %s", got.status, got.body)
	}
	if got := send(t, "POST", local.URL+"/backbeat/v1/tasks", large); got.status != 413 {
		t.Errorf("a large body: %d %s", got.status, got.body)
	}
}

// The program does not listen itself: its address is in use here.
func TestHandlerRunsWithItsProgram(t *testing.T) {
	redis := redistest.Start(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	app := newApp(t, redis.URL(), []string{"BACKBEAT_API_ADDR=" + taken.Addr().String()})
	server := httptest.NewServer(app.Handler())
	defer server.Close()
	if got := send(t, "GET", server.URL+"/healthz", ""); got.status != 503 || got.header.Get("Retry-After") == "" || got.header.Get("X-Request-Id") == "" {
		t.Errorf("before it runs: %d %v", got.status, got.header)
	}
	stop := run(t, app)
	made := send(t, "POST", server.URL+"/v1/tasks", `{"type":"http.request","payload":{"url":"https://example.com"}}`)
	stream, err := http.Get(server.URL + made.header.Get("Location") + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if err := stop(); err != nil {
		t.Errorf("Run returns %v", err)
	}
	if events, err := io.ReadAll(stream.Body); err != nil || !strings.Contains(string(events), "pending") {
		t.Errorf("a stream of events at the end: %q, %v", events, err)
	}
	if got := send(t, "GET", server.URL+"/healthz", ""); got.status != 503 {
		t.Errorf("after its end: %d", got.status)
	}
}

func TestPrefixesThatAreNone(t *testing.T) {
	cfg, err := config.Load(program.API, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"backbeat", "/", "/backbeat/", "//x", "/a/../b", "/a b", "/%41", "/{x}", "/*"} {
		if _, err := program.New(cfg, program.API, program.Prefix(prefix)); err == nil || !strings.Contains(err.Error(), prefix) {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}
