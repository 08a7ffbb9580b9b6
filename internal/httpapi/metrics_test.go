package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/telemetry"
	"github.com/backbeat-go/backbeat/task"
)

// measured makes an API count its requests, and tell them at /metrics.
func measured(c *httpapi.Config) {
	m := telemetry.NewMetrics("1.2.3", []string{"call", "echo"}, []string{"default", "low"}, slog.New(slog.DiscardHandler))
	c.Meter, c.Metrics = m.Requests(), m.Handler()
}

// requestSeries returns the metrics of requests, line by line, without those of scrapes.
func requestSeries(t *testing.T, base string) map[string]string {
	t.Helper()
	got := ask(t, "GET", base+"/metrics", "")
	if ct := got.header.Get("Content-Type"); got.status != 200 || !strings.HasPrefix(ct, "text/plain; version=0.0.4") {
		t.Fatalf("%d %s", got.status, ct)
	}
	series := make(map[string]string)
	for line := range strings.Lines(got.body) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if strings.HasPrefix(name, "backbeat_http_") && !strings.Contains(name, `route="/metrics"`) {
			series[name+"}"] = value
		}
	}
	return series
}

func TestRequestsAreCounted(t *testing.T) {
	base := serve(t, &stub{}, measured)
	ask(t, "GET", base+"/v1/tasks/a", "")
	ask(t, "GET", base+"/v1/tasks/b", "")
	ask(t, "HEAD", base+"/v1/tasks/b", "") // is served as GET
	ask(t, "POST", base+"/v1/tasks", `{"type":"nope"}`)
	ask(t, "DELETE", base+"/v1/tasks", "")
	ask(t, "GET", base+"/nowhere", "")
	got := requestSeries(t, base)
	for series, want := range map[string]string{
		`backbeat_http_requests_total{code="200",method="GET",route="/v1/tasks/{id}"}`:             "3",
		`backbeat_http_requests_total{code="422",method="POST",route="/v1/tasks"}`:                 "1",
		`backbeat_http_requests_total{code="405",method="DELETE",route="/v1/tasks"}`:               "1",
		`backbeat_http_requests_total{code="404",method="GET",route="unmatched"}`:                  "1",
		`backbeat_http_request_duration_seconds_count{method="GET",route="/v1/tasks/{id}"}`:        "3",
		`backbeat_http_request_duration_seconds_bucket{method="POST",route="/v1/tasks",le="+Inf"}`: "1",
	} {
		if got[series] != want {
			t.Errorf("%s is %q, want %s", series, got[series], want)
		}
	}
}

func TestRequestsInFlight(t *testing.T) {
	store := &stub{waiting: make(chan struct{})}
	base := serve(t, store, measured)
	ctx, giveUp := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/tasks/a?wait=60s", http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-store.waiting
	// The scrape is in flight as well.
	if got := ask(t, "GET", base+"/metrics", ""); !strings.Contains(got.body, "\nbackbeat_http_requests_in_flight 2\n") {
		t.Errorf("%s", got.body)
	}
	giveUp()
	<-over
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(ask(t, "GET", base+"/metrics", "").body, "\nbackbeat_http_requests_in_flight 1\n"); {
		if time.Now().After(deadline) {
			t.Fatal("the request that was given up is still in flight")
		}
	}
}

// panicky is a store with a bug.
type panicky struct{ stub }

func (panicky) Get(context.Context, string) (*task.Task, error) { panic("a bug") }

func TestRequestsThatPanicAreCounted(t *testing.T) {
	base := serve(t, &panicky{}, measured)
	ask(t, "GET", base+"/v1/tasks/a", "")
	if n := requestSeries(t, base)[`backbeat_http_requests_total{code="500",method="GET",route="/v1/tasks/{id}"}`]; n != "1" {
		t.Errorf("%q requests", n)
	}
}

// Whatever clients send, there are no more series for it.
func TestHostileRequestsMakeNoSeries(t *testing.T) {
	base, _ := serveBroker(t, measured)
	hostile := func(i int) {
		for _, path := range []string{
			"/n%d", "/v1/tasks/x%d", "/v1/tasks/%d/nope", "/v1/%%2e%%2e/%d", "/monitor/%d", "/docs/%d", "/v1/tasks?x%d", "/:id%d", "/v1/queues/%%ff%d",
			"/v1/tasks/%%22%%7d%%0a%d", "//%d", "/v1/schedules/%d/runs",
		} {
			for _, method := range []string{"GET", "POST", "PURGE", fmt.Sprintf("M%d", i), "CONNECTED", "get"} {
				hit(t, base, method, fmt.Sprintf(path, i))
			}
		}
	}
	ask(t, "GET", base+"/v1/tasks", "") // which reads the document once
	hostile(0)
	before := requestSeries(t, base)
	for i := range 20 {
		hostile(i)
	}
	after := requestSeries(t, base)
	for series := range after {
		if _, known := before[series]; !known {
			t.Errorf("%s is new", series)
		}
	}
	if len(before) < 20 {
		t.Errorf("only %d series", len(before))
	}
}

// hit sends a request as it is written, which no client would.
func hit(t *testing.T, base, method, target string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method, target)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil && method != "HEAD" {
		t.Fatal(err)
	}
	if resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented {
		t.Errorf("%s %s: %d", method, target, resp.StatusCode)
	}
}

func TestMetricsTakeAdmin(t *testing.T) {
	a, err := auth.New(auth.Config{Keys: []auth.Key{
		{Name: "ops", Secret: "ops", Scopes: []string{auth.Admin}}, {Name: "app", Secret: "app", Scopes: []string{auth.TasksRead, auth.QueuesRead}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	base := serve(t, &stub{}, measured, func(c *httpapi.Config) { c.Auth = a })
	for key, want := range map[string]int{"ops": 200, "app": 403, "none": 401} {
		if got := ask(t, "GET", base+"/metrics", "", "Authorization", "Bearer "+key); got.status != want {
			t.Errorf("%s: %d, want %d", key, got.status, want)
		}
	}
}
