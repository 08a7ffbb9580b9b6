package apptest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// admin returns where the admin address of a worker or a beat is, as its ready line tells.
func (p *program) admin() string {
	p.t.Helper()
	for line := range strings.Lines(p.logs()) {
		var ready map[string]any
		if json.Unmarshal([]byte(line), &ready) != nil || ready["msg"] != "ready" {
			continue
		}
		for _, key := range []string{"worker admin", "beat admin", "api"} {
			if url, ok := ready[key].(string); ok {
				return url
			}
		}
	}
	p.t.Fatalf("no address in %s", p.logs())
	return ""
}

// families are the metrics of a scrape by their names.
type families map[string]*dto.MetricFamily

// scrape scrapes a program, as Prometheus does: it waits for 10 s.
func (p *program) scrape() families {
	p.t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(p.admin() + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s %v: %s", resp.Status, err, text)
	}
	problems, err := promlint.New(strings.NewReader(string(text))).Lint()
	if err != nil || len(problems) > 0 {
		p.t.Errorf("%v %v", err, problems)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	parsed, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		p.t.Fatal(err)
	}
	return parsed
}

// sum adds up the series of a metric that have the labels, given as name=value. Of a histogram it is the count.
func (f families) sum(name string, labels ...string) float64 {
	total := 0.0
	for _, m := range f[name].GetMetric() {
		var has []string
		for _, l := range m.Label {
			has = append(has, l.GetName()+"="+l.GetValue())
		}
		if slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
			continue
		}
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return total
}

// series returns how many series there are of our own.
func (f families) series() (n int) {
	for name, family := range f {
		if strings.HasPrefix(name, "backbeat_") {
			n += len(family.Metric)
		}
	}
	return n
}

// figures are sums over series, by the name and the labels that these have: "name label=value …".
type figures map[string]float64

// eventually waits until the programs, together, tell these figures.
func eventually(t *testing.T, want figures, programs ...*program) {
	t.Helper()
	got := figures{}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); nap() {
		clear(got)
		for _, p := range programs {
			scraped := p.scrape()
			for what := range want {
				words := strings.Fields(what)
				got[what] += scraped.sum(words[0], words[1:]...)
			}
		}
		if maps.Equal(got, want) {
			return
		}
	}
	for what := range want {
		if got[what] != want[what] {
			t.Errorf("%s is %v, want %v", what, got[what], want[what])
		}
	}
}

const (
	adminOfWorker = "BACKBEAT_WORKER_ADMIN_ADDR=127.0.0.1:0"
	adminOfBeat   = "BACKBEAT_BEAT_ADMIN_ADDR=127.0.0.1:0"
	debugTasks    = "BACKBEAT_DEBUG_TASKS=true"
)

// Three kinds of programs, each of which tells its part of what was done.
func TestMetricsTellWhatWasDone(t *testing.T) {
	t.Parallel()
	began := time.Now()
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis, debugTasks)
	workers := []*program{start(t, "worker", redis, debugTasks, adminOfWorker), start(t, "worker", redis, debugTasks, adminOfWorker)}
	beats := []*program{start(t, "beat", redis, debugTasks, adminOfBeat), start(t, "beat", redis, debugTasks, adminOfBeat)}

	for i := range 5 {
		api.wait(api.post(fmt.Sprintf(`{"type":"debug.echo","id":"e%d","payload":{}}`, i)))
	}
	api.wait(api.post(`{"type":"debug.fail","queue":"low","max_retries":1}`))
	api.wait(api.post(`{"type":"debug.fail","payload":{"kind":"permanent"},"max_retries":9}`))
	long := api.post(`{"type":"debug.sleep","payload":{"duration":"60s"}}`)
	api.waitState(long, "running")
	api.call("POST", "/v1/tasks/"+long+"/cancel", "")
	api.wait(long)
	api.post(`{"type":"debug.echo","id":"later","payload":{},"delay":"1h"}`)
	api.call("POST", "/v1/tasks/later/cancel", "")
	api.post(`{"type":"debug.echo","id":"waits","payload":{},"delay":"1h","queue":"low"}`)
	api.call("POST", "/v1/queues/critical/pause", "")
	api.post(`{"type":"debug.echo","id":"stale","payload":{},"queue":"critical","expires_at":"` + time.Now().Add(2*time.Second).UTC().Format(time.RFC3339Nano) + `"}`)
	api.post(`{"type":"debug.echo","id":"stuck","payload":{},"queue":"critical"}`)
	api.call("POST", "/v1/tasks/batch", `{"tasks":[{"type":"debug.echo","id":"e0","payload":{}},{"type":"debug.echo","id":"new","payload":{}}]}`)
	api.call("POST", "/v1/tasks", `{"type":"nope"}`)
	at := time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano)
	if a := api.call("PUT", "/v1/schedules/once", `{"at":"`+at+`","misfire_grace_time":"1h","task":{"type":"debug.noop"}}`); a.Status != http.StatusCreated {
		t.Fatalf("%d %s", a.Status, a.Body)
	}

	eventually(t, figures{
		"backbeat_tasks_ended_total type=debug.echo outcome=succeeded": 6,
		"backbeat_tasks_ended_total type=debug.noop outcome=succeeded": 1,
		"backbeat_tasks_ended_total outcome=succeeded":                 7,
		"backbeat_tasks_ended_total outcome=failed queue=low":          1,
		"backbeat_tasks_ended_total outcome=failed":                    2,
		"backbeat_tasks_ended_total outcome=canceled":                  1,
		"backbeat_task_attempts_total":                                 11,
		"backbeat_task_attempts_total type=debug.fail queue=low":       2,
		"backbeat_task_retries_total":                                  1,
		"backbeat_task_run_duration_seconds":                           11,
		"backbeat_task_wait_duration_seconds":                          10,
		"backbeat_task_crashes_total":                                  0,
		"backbeat_tasks_ended_total outcome=expired queue=critical":    1, // by whichever sweeps
	}, workers...)
	eventually(t, figures{
		"backbeat_tasks_enqueued_total source=api":                    13,
		"backbeat_tasks_enqueued_total source=api queue=low":          2,
		"backbeat_tasks_refused_total source=api reason=conflict":     1,
		"backbeat_tasks_refused_total":                                1,
		"backbeat_tasks_ended_total outcome=canceled type=debug.echo": 1,
		"backbeat_tasks_ended_total":                                  1,
		"backbeat_http_requests_total route=/v1/tasks code=202":       12,
		"backbeat_http_requests_total route=/v1/tasks code=422":       1,
		"backbeat_http_requests_total route=/v1/tasks/batch code=200": 1,
		"backbeat_http_requests_total route=/v1/tasks/{id}/cancel":    2,
		"backbeat_http_requests_in_flight":                            1,
		"backbeat_redis_up":                                           1,
		"backbeat_queue_tasks queue=default state=failed":             1,
		"backbeat_queue_tasks queue=default state=canceled":           2,
		"backbeat_queue_tasks queue=critical state=expired":           1,
		"backbeat_queue_tasks queue=critical state=pending":           1,
		"backbeat_queue_tasks queue=low state=scheduled":              1,
		"backbeat_queue_tasks state=succeeded":                        7, // the tick stays for its grace time
		"backbeat_queue_archived_tasks":                               5,
		"backbeat_queue_paused":                                       1,
		"backbeat_queue_paused queue=critical":                        1,
	}, api)
	eventually(t, figures{
		"backbeat_beat_leader":                                      1,
		"backbeat_beat_schedules":                                   2, // each tells the one that there is
		"backbeat_beat_ticks_total outcome=fired":                   1,
		"backbeat_beat_ticks_total":                                 1,
		"backbeat_beat_tick_lateness_seconds":                       1,
		"backbeat_beat_term_failures_total":                         0,
		"backbeat_tasks_enqueued_total source=beat type=debug.noop": 1,
	}, beats...)
	if age := api.scrape().sum("backbeat_queue_oldest_pending_age_seconds"); age <= 0 || age > time.Since(began).Seconds() {
		t.Errorf("the oldest task has waited %v s", age)
	}
	for _, p := range append(append(workers, beats...), api) {
		scraped := p.scrape()
		if scraped.sum("backbeat_build_info") != 1 || scraped.sum("go_goroutines") == 0 || scraped.sum("process_open_fds") == 0 {
			t.Error("a program does not tell of itself")
		}
	}
}

// A crash is counted by the worker that notices, a beat that is killed leads no more, and another does.
func TestMetricsAfterDeaths(t *testing.T) {
	t.Parallel()
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis, debugTasks)
	first := start(t, "worker", redis, debugTasks, adminOfWorker)
	beats := []*program{start(t, "beat", redis, adminOfBeat)}
	beats = append(beats, start(t, "beat", redis, adminOfBeat))
	eventually(t, figures{"backbeat_beat_leader": 1}, beats...)
	id := api.post(`{"type":"debug.fail","payload":{"kind":"exit","times":1}}`)
	<-first.done
	second := start(t, "worker", redis, debugTasks, adminOfWorker)
	api.wait(id)
	eventually(t, figures{
		"backbeat_task_crashes_total type=debug.fail queue=default": 1, "backbeat_task_crashes_total": 1,
		"backbeat_tasks_ended_total outcome=succeeded": 1, "backbeat_task_attempts_total": 1, "backbeat_task_wait_duration_seconds": 0,
	}, second)
	if beats[0].scrape().sum("backbeat_beat_leader") == 0 {
		slices.Reverse(beats)
	}
	term := beats[0].scrape().sum("backbeat_beat_term")
	beats[0].kill()
	eventually(t, figures{"backbeat_beat_leader": 1}, beats[1])
	if next := beats[1].scrape().sum("backbeat_beat_term"); term < 1 || next <= term {
		t.Errorf("the next leader tells of term %v, after %v", next, term)
	}
}

// Redis goes in two ways: gone, and silent. A scrape tells the rest, in time.
func TestMetricsWithoutRedis(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]struct{ begin, end func(*redistest.Server) }{
		"killed": {(*redistest.Server).Kill, (*redistest.Server).Restart},
		"silent": {(*redistest.Server).Freeze, (*redistest.Server).Thaw},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			redis := "BACKBEAT_REDIS_URL=" + server.URL()
			api := start(t, "api", redis, debugTasks)
			worker := start(t, "worker", redis, debugTasks, adminOfWorker)
			beat := start(t, "beat", redis, adminOfBeat)
			api.wait(api.post(`{"type":"debug.echo","payload":{}}`))
			eventually(t, figures{"backbeat_redis_up": 1}, api)
			eventually(t, figures{"backbeat_beat_leader": 1}, beat)

			outage.begin(server)
			for range 3 {
				got := api.scrape()
				if up, ok := got["backbeat_redis_up"]; !ok || up.Metric[0].GetGauge().GetValue() != 0 || got["backbeat_queue_tasks"] != nil {
					t.Errorf("redis is away, and the API tells %v and of %d queues", up, len(got["backbeat_queue_tasks"].GetMetric()))
				}
				if n := got.sum("backbeat_tasks_enqueued_total"); n != 1 {
					t.Errorf("%v tasks were enqueued", n)
				}
			}
			if n := worker.scrape().sum("backbeat_tasks_ended_total"); n != 1 {
				t.Errorf("%v tasks have ended", n)
			}
			eventually(t, figures{"backbeat_beat_leader": 0}, beat) // its term cannot be renewed
			outage.end(server)
			eventually(t, figures{"backbeat_redis_up": 1}, api)
			eventually(t, figures{"backbeat_beat_leader": 1}, beat)
		})
	}
}

// Whatever stock clients put into Redis, series do not grow without bound.
func TestHostileClientsMakeNoSeries(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	redis := "BACKBEAT_REDIS_URL=" + server.URL()
	api := start(t, "api", redis)
	worker := start(t, "worker", redis, adminOfWorker)
	stock := asynq.NewClient(asynq.RedisClientOpt{Addr: server.Addr()})
	defer stock.Close()
	rdb := server.Client(t)
	hostile := func(from, until int) {
		for i := from; i < until; i++ {
			kind := fmt.Sprintf("type-%d\"}\n%s", i, strings.Repeat("x", i))
			if _, err := stock.Enqueue(asynq.NewTask(kind, nil), asynq.MaxRetry(0), asynq.TaskID(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			for _, queue := range []string{"q%d", "\xff%d", "other%d", "a\"}\n%d"} {
				if err := rdb.SAdd(t.Context(), "asynq:queues", fmt.Sprintf(queue, i)).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
		await(t, "the worker has put the tasks off", func() bool {
			return rdb.ZCard(t.Context(), "asynq:{default}:scheduled").Val() > 0
		})
	}
	hostile(0, 100)
	api.scrape()
	before := []int{api.scrape().series(), worker.scrape().series()}
	hostile(100, 400)
	if after := []int{api.scrape().series(), worker.scrape().series()}; !slices.Equal(after, before) {
		t.Errorf("%v series have become %v", before, after)
	}
}

var (
	metricRow = regexp.MustCompile("(?m)^\\| `(backbeat_[a-z_]+)` \\| (counter|gauge|histogram) \\| ([^|]*) \\|")
	labelName = regexp.MustCompile("`([a-z]+)`")
)

// The table of the documentation and a scrape tell of the same metrics, types and labels.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]string)
	for _, row := range metricRow.FindAllStringSubmatch(string(page), -1) {
		var labels []string
		for _, l := range labelName.FindAllStringSubmatch(row[3], -1) {
			labels = append(labels, l[1])
		}
		slices.Sort(labels)
		documented[row[1]] = fmt.Sprint(row[2], labels)
	}
	p := start(t, "standalone")
	p.wait(p.post(`{"type":"debug.echo","id":"a","payload":{}}`))
	p.call("POST", "/v1/tasks", `{"type":"debug.echo","id":"a","payload":{}}`)
	eventually(t, figures{"backbeat_tasks_ended_total": 1, "backbeat_tasks_refused_total": 1, "backbeat_beat_leader": 1}, p)
	told := make(map[string]string)
	for name, family := range p.scrape() {
		if !strings.HasPrefix(name, "backbeat_") {
			continue
		}
		var labels []string
		for _, l := range family.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		told[name] = fmt.Sprint(strings.ToLower(family.GetType().String()), labels)
	}
	if !maps.Equal(told, documented) {
		t.Errorf("the programs tell of\n%v, the documentation of\n%v", told, documented)
	}
}
