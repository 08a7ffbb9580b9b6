package apptest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// buildOutside builds the programs of the module that imports Backbeat from outside, as outside-worker and so on.
func buildOutside(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		build := exec.Command("go", "build", "-C", "../outside", "-o", filepath.Join(binaries, "outside-"+name), "./cmd/"+name)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
}

// The programs of this repository know a type a second after the first worker that runs it is ready, though they were built
// without it.
func TestTypesOfAnOutsideWorker(t *testing.T) {
	buildOutside(t, "worker", "caller")
	server := redistest.Start(t)
	redis := "BACKBEAT_REDIS_URL=" + server.URL()
	api := start(t, "api", redis)
	start(t, "beat", redis)
	if a := api.call("POST", "/v1/tasks", `{"type":"shop.sum","payload":{"numbers":[1]}}`); a.Status != 422 {
		t.Errorf("before there is a worker: %d %s", a.Status, a.Body)
	}
	start(t, "outside-worker", redis)
	awaitText(t, api, "/v1/task-types", `"shop.sum"`)

	if a := api.call("POST", "/v1/tasks", `{"type":"mail.welcome","payload":{"user_id":0}}`); a.Status != 422 ||
		!strings.Contains(string(a.Body), `"body.payload.user_id"`) {
		t.Errorf("a payload at fault: %d %s", a.Status, a.Body)
	}
	done := api.wait(api.post(`{"type":"shop.sum","payload":{"numbers":[1,2,3]}}`))
	if result, _ := json.Marshal(done["result"]); string(result) != `{"sum":6}` {
		t.Errorf("it ended with %s", result)
	}
	if done := api.wait(api.post(`{"type":"mail.hello","payload":{"user_id":7}}`)); done["state"] != "succeeded" {
		t.Errorf("under its alias it %s", done["state"])
	}
	for _, page := range []string{"/openapi.json", "/v1/task-types"} {
		if a := api.call("GET", page, ""); !strings.Contains(string(a.Body), `"shop.sum"`) {
			t.Errorf("%s does not tell of shop.sum", page)
		}
	}
	if a := api.call("PUT", "/v1/schedules/sums", `{"every":"1s","task":{"type":"shop.sum","payload":{"numbers":[4]}}}`); a.Status != 201 {
		t.Fatalf("a schedule of the type: %d %s", a.Status, a.Body)
	}
	awaitText(t, api, "/v1/schedules/sums/runs", `"state":"succeeded"`)
	for _, env := range []string{"BACKBEAT_URL=" + api.URL, redis} {
		if code, stdout, stderr := exit(t, "outside-caller", nil, env); code != 0 || stdout != "mail.welcome is scheduled\nthe sum is 6\n" {
			t.Errorf("the caller with %s: %d %q %s", env, code, stdout, stderr)
		}
	}
}

// awaitText waits until a page of the API has a text.
func awaitText(t *testing.T, api *program, path, text string) {
	t.Helper()
	await(t, path+" has "+text, func() bool { return strings.Contains(string(api.call("GET", path, "").Body), text) })
}

// A worker that knows only some types, and one that knows only others, share a queue.
func TestWorkersOfTwoKindsShareAQueue(t *testing.T) {
	buildOutside(t, "worker")
	server := redistest.Start(t)
	redis := "BACKBEAT_REDIS_URL=" + server.URL()
	api := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	start(t, "outside-worker", redis)
	awaitText(t, api, "/v1/task-types", `"shop.sum"`)
	var ids []string
	for i := range 100 {
		ids = append(ids, api.post(fmt.Sprintf(`{"type":"shop.sum","payload":{"numbers":[%d]}}`, i)),
			api.post(`{"type":"debug.echo","payload":{}}`)) // nobody runs these yet
	}
	for i, id := range ids {
		if i%2 == 0 {
			if done := api.wait(id); done["state"] != "succeeded" || done["attempt"] != 1.0 {
				t.Fatalf("a task behind others that wait for a worker: %v", done)
			}
		}
	}
	start(t, "worker", redis, "BACKBEAT_DEBUG_TASKS=true")
	for i, id := range ids {
		if i%2 == 1 {
			if done := api.wait(id); done["state"] != "succeeded" || done["attempt"] != 1.0 {
				t.Errorf("a task that waited for a worker: %v", done)
			}
		}
	}
}

// A program of somebody else has all of Backbeat under a prefix of its own router.
func TestAllInOneUnderAPrefix(t *testing.T) {
	buildOutside(t, "shop")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	start(t, "outside-shop", "BACKBEAT_REDIS_URL="+redistest.Start(t).URL(), "SHOP_ADDR="+addr)
	for path, want := range map[string]string{
		"/sum":                   `{"sum":42}`,
		"/backbeat/readyz":       "",
		"/backbeat/openapi.json": `"shop.sum"`,
		"/backbeat/docs":         "/backbeat/openapi.json",
		"/backbeat/monitor":      "/backbeat/monitor",
	} {
		body := fetch(t, "http://"+addr+path)
		if !strings.Contains(body, want) {
			t.Errorf("%s: %.300s, want %s", path, body, want)
		}
	}
}

// fetch gets a page, as soon as there is a server.
func fetch(t *testing.T, url string) string {
	t.Helper()
	var res *http.Response
	await(t, "there is a server at "+url, func() (ok bool) {
		var err error
		res, err = http.Get(url)
		return err == nil
	})
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%s: %s %v", url, res.Status, err)
	}
	return string(body)
}
