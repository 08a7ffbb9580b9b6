package apptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

const allowLoopback = "BACKBEAT_HTTP_TASK_ALLOW_CIDRS=127.0.0.0/8"

// hook is a web server of a user, which http.request calls.
func hook(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"method":%q,"got":%s,"task":%q,"attempt":%q}`,
			r.Method, body, r.Header.Get("X-Backbeat-Task-Id"), r.Header.Get("X-Backbeat-Attempt"))
	}))
	t.Cleanup(s.Close)
	return s
}

// callHook hands in a task that calls the hook and checks that the hook's answer comes back as its result.
func callHook(t *testing.T, api *program, url string) {
	t.Helper()
	id := api.post(fmt.Sprintf(`{"type":"http.request","payload":{"url":%q,"body":{"n":1}}}`, url))
	got := api.wait(id)
	result, _ := got["result"].(map[string]any)
	body, err := json.Marshal(result["body"])
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"attempt":"1","got":{"n":1},"method":"POST","task":%q}`, id)
	if got["state"] != "succeeded" || result["status"] != 200.0 || string(body) != want {
		t.Errorf("task ended as %v with %s, want %s", got["state"], body, want)
	}
}

func TestStandaloneCallsAWebServer(t *testing.T) {
	p := start(t, "standalone", allowLoopback)
	callHook(t, p, hook(t).URL)
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

func TestStandaloneRefusesAddressesThatAreNotPublic(t *testing.T) {
	p := start(t, "standalone")
	got := p.wait(p.post(fmt.Sprintf(`{"type":"http.request","payload":{"url":%q}}`, hook(t).URL)))
	failure, _ := got["error"].(map[string]any)
	if message, _ := failure["message"].(string); got["state"] != "failed" || failure["kind"] != "permanent" || !strings.Contains(message, "http_task.allow_cidrs") {
		t.Errorf("%v %v", got["state"], failure)
	}
}

func TestStandaloneKeepsItsTasks(t *testing.T) {
	dir := t.TempDir()
	p := startIn(t, dir, "standalone")
	done := p.post(`{"type":"debug.echo","payload":{"n":1}}`)
	p.wait(done)
	later := p.post(`{"type":"debug.echo","payload":{"n":2},"delay":"1h"}`)
	p.kill()

	p = startIn(t, dir, "standalone")
	if got := p.get(done); got["state"] != "succeeded" {
		t.Errorf("after kill -9 the finished task is %v", got["state"])
	}
	if got := p.get(later); got["state"] != "scheduled" {
		t.Errorf("after kill -9 the scheduled task is %v", got["state"])
	}
}

func TestSecondStandaloneInTheSameDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	startIn(t, dir, "standalone")
	code, _, stderr := exitIn(t, dir, "standalone", nil, "BACKBEAT_API_ADDR=127.0.0.1:0")
	if code != 1 || !strings.Contains(stderr, "in use by another standalone") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestStandaloneWithoutRedisServer(t *testing.T) {
	p := start(t, "standalone", "PATH=/nonexistent", allowLoopback)
	callHook(t, p, hook(t).URL)
	if got := p.wait(p.post(`{"type":"debug.fail","payload":{"times":1}}`)); got["state"] != "succeeded" || got["attempt"] != 2.0 {
		t.Errorf("%v", got)
	}
	if n := strings.Count(p.logs(), `"level":"warn","msg":"no redis-server`); n != 1 {
		t.Errorf("%d warnings that tasks are kept in memory, want one", n)
	}
}

func TestSeparatePrograms(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis)
	worker := start(t, "worker", redis, allowLoopback)
	beat := start(t, "beat", redis)
	callHook(t, api, hook(t).URL)
	for name, p := range map[string]*program{"api": api, "worker": worker, "beat": beat} {
		if code := p.stop(syscall.SIGINT); code != 0 {
			t.Errorf("%s: exit code %d after SIGINT", name, code)
		}
	}
}

func TestWorkerHandsBackWhatItCannotFinish(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	env := []string{redis, "BACKBEAT_DEBUG_TASKS=true", "BACKBEAT_WORKER_SHUTDOWN_TIMEOUT=200ms"}
	first := start(t, "worker", env...)
	long := api.post(`{"type":"debug.sleep","payload":{"duration":"2s"},"max_retries":0}`)
	api.waitState(long, "running")
	if code := first.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := api.get(long); got["state"] != "pending" || got["error"] != nil {
		t.Errorf("handed back: %v, error %v", got["state"], got["error"])
	}
	start(t, "worker", env...)
	if got := api.wait(long); got["state"] != "succeeded" || got["attempt"] != 2.0 {
		t.Errorf("%v after %v attempts", got["state"], got["attempt"])
	}
}

func TestWorkerFinishesWhatItCan(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	worker := start(t, "worker", redis, "BACKBEAT_DEBUG_TASKS=true")
	id := api.post(`{"type":"debug.sleep","payload":{"duration":"3s"}}`) // long enough to be seen running
	api.waitState(id, "running")
	if code := worker.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := api.get(id); got["state"] != "succeeded" || got["attempt"] != 1.0 {
		t.Errorf("%v after %v attempts", got["state"], got["attempt"])
	}
}

func TestWaitIsWokenByTheFinish(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	apis := []*program{start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true"), start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")}
	start(t, "worker", redis, "BACKBEAT_DEBUG_TASKS=true")
	id := apis[0].post(`{"type":"debug.sleep","payload":{"duration":"500ms"}}`)
	ends := make(chan document)
	for _, api := range apis {
		for range 5 {
			go func() { ends <- api.wait(id) }()
		}
	}
	for range 10 {
		got := <-ends
		finished, err := time.Parse(time.RFC3339, fmt.Sprint(got["finished_at"]))
		if got["state"] != "succeeded" || err != nil || time.Since(finished) > 50*time.Second { // the wait itself would end after 60 s
			t.Errorf("%v, finished %v", got["state"], got["finished_at"])
		}
	}
}

func TestAPIEndsWaitsWhenItStops(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	id := api.post(`{"type":"debug.noop","delay":"1h"}`)
	waiting := make(chan answer)
	go func() { waiting <- api.call("GET", "/v1/tasks/"+id+"?wait=60s", "") }()
	waitUntilAwaited(t, redis, id)
	if code := api.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if a := <-waiting; a.Status != http.StatusOK || a.document(t)["state"] != "scheduled" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestCrashedProcessEndsWithItsTask(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	worker := start(t, "worker", redis, "BACKBEAT_DEBUG_TASKS=true")
	id := api.post(`{"type":"debug.fail","payload":{"kind":"exit"}}`)
	<-worker.done
	if code := worker.cmd.ProcessState.ExitCode(); code == 0 {
		t.Error("the worker ended as if all were well")
	}
	// Nobody has noticed yet that the worker is gone; the task is not lost.
	if got := api.get(id); got["state"] != "running" {
		t.Errorf("%v", got["state"])
	}
}

func TestAPIWithoutRedis(t *testing.T) {
	redis := redistest.Start(t)
	api := start(t, "api", "BACKBEAT_REDIS_URL="+redis.URL(), "BACKBEAT_DEBUG_TASKS=true")
	id := api.post(`{"type":"debug.noop","delay":"1h"}`)
	redis.Kill()
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/v1/tasks", `{"type":"debug.noop"}`},
		{"GET", "/v1/tasks/" + id, ""},
		{"GET", "/v1/tasks", ""},
		{"POST", "/v1/tasks/" + id + "/cancel", ""},
		{"DELETE", "/v1/tasks/" + id, ""},
		{"GET", "/v1/queues", ""},
		{"POST", "/v1/queues/default/pause", ""},
		{"GET", "/v1/workers", ""},
		{"GET", "/readyz", ""},
	} {
		a := api.call(c.method, c.path, c.body)
		if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" ||
			a.Header.Get("Content-Type") != "application/problem+json" || strings.Contains(string(a.Body), redis.Addr()) {
			t.Errorf("%s %s: %d %v %s", c.method, c.path, a.Status, a.Header, a.Body)
		}
	}
	if a := api.call("GET", "/healthz", ""); a.Status != http.StatusOK {
		t.Errorf("/healthz: %d", a.Status)
	}
	redis.Restart()
	waitReady(t, api)
	api.post(`{"type":"debug.noop"}`)
}

func TestRedisThatRefusesWrites(t *testing.T) {
	redis := redistest.Start(t)
	api := start(t, "api", "BACKBEAT_REDIS_URL="+redis.URL(), "BACKBEAT_DEBUG_TASKS=true")
	if err := redis.Client(t).ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	a := api.call("POST", "/v1/tasks", `{"type":"debug.echo","payload":{"x":"`+strings.Repeat("x", 100_000)+`"}}`)
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestWorkerStartsBeforeRedis(t *testing.T) {
	redis := redistest.Start(t)
	redis.Kill()
	ready := make(chan *program)
	go func() { ready <- start(t, "worker", "BACKBEAT_REDIS_URL="+redis.URL()) }()
	redis.Restart()
	<-ready
}

// waitUntilAwaited waits until somebody's wait for the task has reached Redis.
func waitUntilAwaited(t *testing.T, redisEnv, id string) {
	t.Helper()
	opts, err := redis.ParseURL(strings.TrimPrefix(redisEnv, "BACKBEAT_REDIS_URL="))
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	defer rdb.Close()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); nap() {
		if rdb.HExists(t.Context(), "asynq:{default}:t:"+id, "bb:waiters").Val() {
			return
		}
	}
	t.Fatal("nobody waits")
}

func waitReady(t *testing.T, p *program) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); nap() {
		if p.call("GET", "/readyz", "").Status == http.StatusOK {
			return
		}
	}
	t.Fatal("never ready again")
}

func TestBadConfigurationListsEveryFault(t *testing.T) {
	code, _, stderr := exit(t, "worker", []string{"--worker-concurrency", "many", "--no-such-flag"},
		"BACKBEAT_REDIS_URL=redis://user:hunter2@host:99999/0", "BACKBEAT_QUEUES=a b=1", "BACKBEAT_WRKER_QUEUES=x")
	if code != 2 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"redis.url", "queues", "BACKBEAT_WRKER_QUEUES", "--no-such-flag"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not named in:\n%s", want, stderr)
		}
	}
	if strings.Contains(stderr, "hunter2") {
		t.Errorf("a password was printed:\n%s", stderr)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, name := range []string{"api", "worker", "beat", "standalone"} {
		if code, stdout, _ := exit(t, name, []string{"--help"}); code != 0 || !strings.Contains(stdout, "--redis-url") {
			t.Errorf("%s --help: %d %s", name, code, stdout)
		}
		if code, stdout, _ := exit(t, name, []string{"--version"}); code != 0 || !strings.HasPrefix(stdout, "backbeat-"+name+" ") {
			t.Errorf("%s --version: %d %s", name, code, stdout)
		}
	}
}

func TestHealthcheck(t *testing.T) {
	redis := redistest.Start(t)
	env := []string{"BACKBEAT_REDIS_URL=" + redis.URL(), "BACKBEAT_WORKER_ADMIN_ADDR=" + freeAddr(t)}
	start(t, "worker", env...)
	if code, _, stderr := exit(t, "worker", []string{"healthcheck"}, env...); code != 0 {
		t.Errorf("a healthy worker: %d %s", code, stderr)
	}
	redis.Kill()
	if code, _, stderr := exit(t, "worker", []string{"healthcheck"}, env...); code != 1 || !strings.Contains(stderr, "503") {
		t.Errorf("a worker without redis: %d %s", code, stderr)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestReadyLineAtEveryLevel(t *testing.T) {
	// start waits for it.
	start(t, "worker", "BACKBEAT_REDIS_URL="+redistest.Start(t).URL(), "BACKBEAT_LOG_LEVEL=error")
}

func TestUnprotectedAPIStaysOnLoopback(t *testing.T) {
	for _, env := range [][]string{{"BACKBEAT_API_ADDR=0.0.0.0:0"}, {"BACKBEAT_API_ADDR=:0"}} {
		if code, _, stderr := exit(t, "api", nil, env...); code != 2 || !strings.Contains(stderr, "api.addr") {
			t.Errorf("%q: exit code %d: %s", env, code, stderr)
		}
	}
}

// The README's commands, word for word but for the port.
func TestREADME(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, "standalone")
	var answers []document
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(data), -1) {
		if !strings.Contains(block[1], "curl") {
			continue
		}
		script := strings.ReplaceAll(block[1], "localhost:8080", strings.TrimPrefix(p.URL, "http://"))
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
			var d document
			if err := dec.Decode(&d); err != nil {
				t.Fatalf("%s printed %s: %v", script, out, err)
			}
			answers = append(answers, d)
		}
	}
	var got []string
	for _, d := range answers {
		switch {
		case d["schedule"] != nil:
			tick, _ := d["schedule"].(map[string]any)
			got = append(got, fmt.Sprint(tick["id"], " triggered"))
		case d["cron"] != nil:
			got = append(got, fmt.Sprint(d["id"], " at ", d["cron"], ", paused ", d["paused"]))
		case d["standbys"] != nil:
			leader, _ := d["leader"].(map[string]any)
			got = append(got, fmt.Sprint("leads in term ", leader["term"]))
		case d["matched"] != nil:
			got = append(got, fmt.Sprint(d["action"], " matches ", d["matched"]))
		case d["results"] != nil:
			results, _ := d["results"].([]any)
			got = append(got, fmt.Sprint(len(results), " results"))
		case d["state"] != nil:
			got = append(got, fmt.Sprint(d["id"], " ", d["state"]))
		case d["status"] != nil:
			got = append(got, fmt.Sprint(d["status"]))
		case d["name"] != nil:
			got = append(got, fmt.Sprint(d["name"], " paused ", d["paused"]))
		default:
			items, _ := d["items"].([]any)
			got = append(got, fmt.Sprint(len(items), " items"))
		}
	}
	want := []string{
		"order-17 pending", "order-17 succeeded", "hook-1 scheduled", "hook-1 canceled", "422",
		"1 items", "6 items", "3 items", "low paused true", "low paused false", "1 items", "2 results", "retry matches 0", "3 items",
		"now-1 succeeded", "invoice-17 scheduled", "invoice-17 scheduled",
		"hourly-crawl at 0 * * * *, paused false", "hourly-crawl at 0 * * * *, paused false", "hourly-crawl triggered", "1 items",
		"hourly-crawl at 0 * * * *, paused true", "leads in term 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the README's commands answer\n%q, want\n%q", got, want)
	}
}
