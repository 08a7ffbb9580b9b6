package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/internal/telemetry"
	"github.com/backbeat-go/backbeat/task"
)

func newMetrics() *telemetry.Metrics {
	return telemetry.NewMetrics("1.2.3", []string{"call", "echo"}, []string{"default", "low"}, slog.New(slog.DiscardHandler))
}

func scrape(t testing.TB, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// own returns Backbeat's own metrics by name.
func own(t testing.TB, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for name := range families {
		if !strings.HasPrefix(name, "backbeat_") {
			delete(families, name)
		}
	}
	return families
}

func want(t testing.TB, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
}

func queueStatuses(names ...string) func(context.Context) ([]fleet.QueueStatus, error) {
	return func(context.Context) ([]fleet.QueueStatus, error) {
		statuses := make([]fleet.QueueStatus, len(names))
		for i, name := range names {
			statuses[i] = fleet.QueueStatus{Name: name, Pending: 1, Latency: time.Duration(i+1) * time.Second, Archived: 5, Failed: 2, Canceled: 3}
		}
		return statuses, nil
	}
}

// everything returns metrics with every part, each used with the type, queue, method and route.
func everything(taskType, queue, method, route string) *telemetry.Metrics {
	m := newMetrics()
	m.WatchQueues(queueStatuses("default", queue))
	m.WatchSchedules(func(context.Context) (int, error) { return 7, nil })
	requests, beat := m.Requests(), m.Beat()
	requests.Began()
	requests.Ended(method, route, 200, time.Second)
	beat.Leads(3)
	beat.Ticks(schedule.Fired, 1)
	beat.Late(time.Second)
	client, worker := m.Client("api"), m.Worker([]string{"default"})
	use(client, worker, taskType, queue)
	return m
}

func use(client *telemetry.Client, worker *telemetry.Worker, taskType, queue string) {
	client.Enqueued(taskType, queue)
	client.Refused(task.Conflict("taken"))
	client.Ended(taskType, queue, task.Canceled)
	worker.Began(taskType, queue)
	worker.Waited(taskType, queue, time.Second)
	worker.Ran(taskType, queue, time.Second)
	worker.Retried(taskType, queue)
	worker.Ended(taskType, queue, task.Failed)
	worker.Crashed(taskType, queue)
}

func TestMetricsFollowTheConventions(t *testing.T) {
	text := scrape(t, everything("call", "low", "GET", "/v1/tasks"))
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if families := own(t, text); len(families) < 20 {
		t.Errorf("only %d metrics of Backbeat", len(families))
	}
	want(t, text, `backbeat_tasks_enqueued_total{queue="low",source="api",type="call"} 1`,
		`backbeat_tasks_refused_total{reason="conflict",source="api"} 1`,
		`backbeat_tasks_ended_total{outcome="canceled",queue="low",type="call"} 1`,
		`backbeat_tasks_ended_total{outcome="failed",queue="low",type="call"} 1`,
		`backbeat_task_crashes_total{queue="low",type="call"} 1`,
		`backbeat_beat_schedules 7`, `backbeat_beat_term 3`, `backbeat_beat_leader 1`, `backbeat_http_requests_in_flight 0`)
	if !strings.Contains(text, `version="1.2.3"`) || !strings.Contains(text, "go_goroutines") || !strings.Contains(text, "process_open_fds") {
		t.Error("the version, the runtime or the process is missing")
	}
}

// Unknown types and queues must not create series.
func TestUnknownNamesCreateNoSeries(t *testing.T) {
	m := newMetrics()
	client, worker := m.Client("api"), m.Worker([]string{"default"})
	series := func() int {
		n := 0
		for _, family := range own(t, scrape(t, m)) {
			n += len(family.Metric)
		}
		return n
	}
	names := func(i int) []string {
		return []string{
			fmt.Sprintf("t%d", i), strings.Repeat("x", 100_000) + fmt.Sprint(i), fmt.Sprintf("\xff\xfe%d", i), "", "other",
			fmt.Sprintf("\"} %d\nbackbeat_x 1\n#", i), fmt.Sprintf("Call%d", i), fmt.Sprintf("call %d", i),
		}
	}
	for _, name := range names(0) {
		use(client, worker, name, name)
		use(client, worker, "call", name)
		use(client, worker, name, "low")
	}
	before := series()
	for i := range 100 {
		for _, name := range names(i) {
			use(client, worker, name, name)
			use(client, worker, "call", name)
			use(client, worker, name, "low")
		}
	}
	if after := series(); after != before {
		t.Errorf("%d series before, %d after", before, after)
	}
	want(t, scrape(t, m), `backbeat_task_attempts_total{queue="other",type="other"} 808`,
		`backbeat_task_attempts_total{queue="other",type="call"} 808`, `backbeat_task_attempts_total{queue="low",type="other"} 808`)
}

func TestForeignQueuesAreBounded(t *testing.T) {
	m := newMetrics()
	foreign := 0
	m.WatchQueues(func(ctx context.Context) ([]fleet.QueueStatus, error) {
		names := []string{"default", "other", "\xff", strings.Repeat("q", 1000)}
		for range 80 {
			names = append(names, fmt.Sprintf("q%05d", 10_000-foreign)) // each time others come first
			foreign++
		}
		return queueStatuses(names...)(ctx)
	})
	labels := make(map[string]bool)
	for range 20 {
		sum := 0.0
		for _, metric := range own(t, scrape(t, m))["backbeat_queue_tasks"].Metric {
			labels[metric.Label[0].GetValue()] = true
			if metric.Label[1].GetValue() == "pending" {
				sum += metric.Gauge.GetValue()
			}
		}
		if sum != 84 {
			t.Errorf("%v tasks are pending, want one in each of 84 queues", sum)
		}
	}
	// 100 of foreign clients, of which one is called other.
	if len(labels) != 101 {
		t.Errorf("%d queues have had series, want 101", len(labels))
	}
}

func TestScrapeWithoutRedis(t *testing.T) {
	m := newMetrics()
	m.WatchQueues(func(ctx context.Context) ([]fleet.QueueStatus, error) {
		<-ctx.Done() // it ends by itself
		return nil, ctx.Err()
	})
	m.WatchSchedules(func(context.Context) (int, error) { return 0, io.EOF })
	m.Client("api").Enqueued("call", "default")
	text := scrape(t, m)
	want(t, text, `backbeat_redis_up 0`, `backbeat_tasks_enqueued_total{queue="default",source="api",type="call"} 1`)
	if strings.Contains(text, "backbeat_queue_tasks") || strings.Contains(text, "backbeat_beat_schedules") {
		t.Error("the scrape has values of queues")
	}
}

func TestRefusedReasons(t *testing.T) {
	m := newMetrics()
	client := m.Client("api")
	for _, err := range []error{
		task.Conflict("id %q is taken", "secret-17"), task.Unavailable(context.DeadlineExceeded), task.Unavailable(io.EOF),
		context.Canceled, context.DeadlineExceeded, errors.New("secret-18"), task.NotFound("secret-19"),
	} {
		client.Refused(err)
	}
	want(t, scrape(t, m), `backbeat_tasks_refused_total{reason="conflict",source="api"} 1`,
		`backbeat_tasks_refused_total{reason="unavailable",source="api"} 2`,
		`backbeat_tasks_refused_total{reason="canceled",source="api"} 2`, `backbeat_tasks_refused_total{reason="other",source="api"} 2`)
	if strings.Contains(scrape(t, m), "secret") {
		t.Error("the text of an error is in the metrics")
	}
}

// The crash counter starts at 0, so that an alert sees the first crash.
func TestCrashesStartAtZero(t *testing.T) {
	m := newMetrics()
	m.Worker([]string{"low"})
	want(t, scrape(t, m), `backbeat_task_crashes_total{queue="low",type="echo"} 0`, `backbeat_task_crashes_total{queue="low",type="other"} 0`)
}

// BenchmarkWorker measures the cost of the metrics per task.
func BenchmarkWorker(b *testing.B) {
	w := newMetrics().Worker([]string{"default"})
	for b.Loop() {
		w.Began("call", "default")
		w.Waited("call", "default", time.Millisecond)
		w.Ended("call", "default", task.Succeeded)
		w.Ran("call", "default", time.Millisecond)
	}
}
