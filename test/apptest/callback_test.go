package apptest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

var (
	webhookSecret  = "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret for the callbacks, whole"))
	formerSecret   = "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of before, 24 b"))
	signsCallbacks = "BACKBEAT_CALLBACK_SECRETS=" + webhookSecret + "," + formerSecret
)

// receiver is a web server of a user, which gets callbacks and trusts only those whose signature the library for
// receivers verifies.
type receiver struct {
	t      *testing.T
	addr   string
	server *http.Server
	gone   chan struct{} // closed when the server has ended

	mu     sync.Mutex
	status int
	calls  []event
	called chan struct{} // closed, and made anew, at each call
}

// event is a callback as it came.
type event struct {
	WebhookID string `json:"-"`
	Status    int    `json:"-"` // what it was answered with
	Type      string
	Data      document
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{t: t, addr: "127.0.0.1:0", status: http.StatusNoContent, called: make(chan struct{})}
	r.open()
	t.Cleanup(r.leave)
	return r
}

// open begins to listen, where it did before if it did.
func (r *receiver) open() {
	r.t.Helper()
	l, err := new(net.ListenConfig).Listen(r.t.Context(), "tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr, r.server, r.gone = l.Addr().String(), &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	go func() {
		defer close(r.gone)
		_ = r.server.Serve(l)
	}()
}

func (r *receiver) leave() {
	r.server.Close()
	<-r.gone
}

func (r *receiver) answerWith(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the worker was killed
	}
	for _, secret := range []string{webhookSecret, formerSecret} { // a receiver may have either
		hook, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			err = hook.Verify(body, req.Header)
		}
		if err != nil {
			r.t.Errorf("%v: %s %v", err, body, req.Header)
		}
	}
	got := event{WebhookID: req.Header.Get("webhook-id")}
	if err := json.Unmarshal(body, &got); err != nil {
		r.t.Errorf("%v: %s", err, body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	got.Status = r.status
	r.calls = append(r.calls, got)
	close(r.called)
	r.called = make(chan struct{})
	w.WriteHeader(r.status)
}

// wait waits until the calls are as wanted, and returns them.
func (r *receiver) wait(ok func(calls []event) bool) []event {
	r.t.Helper()
	late := time.After(2 * patience)
	for {
		r.mu.Lock()
		calls, called := r.calls, r.called
		r.mu.Unlock()
		if ok(calls) {
			return calls
		}
		select {
		case <-called:
		case <-late:
			r.t.Fatalf("after %s there have been %d calls", 2*patience, len(calls))
		}
	}
}

// callback is the field of a task that has its end told to the receiver.
func (r *receiver) callback() string {
	return fmt.Sprintf(`"callback":{"url":"http://%s/done"}`, r.addr)
}

// deliveries are the tasks that make callbacks.
func (p *program) deliveries() []document {
	p.t.Helper()
	var list struct{ Items []document }
	a := p.call("GET", "/v1/tasks?limit=1000&type=callback.deliver", "")
	if err := json.Unmarshal(a.Body, &list); err != nil {
		p.t.Fatalf("%d %s", a.Status, a.Body)
	}
	return list.Items
}

// While the receiver is out, a callback is tried again under its id, and is taken once.
func TestCallbackOutlivesItsReceiversOutage(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis, signsCallbacks, "BACKBEAT_DEBUG_TASKS=true")
	start(t, "worker", redis, signsCallbacks, allowLoopback, "BACKBEAT_DEBUG_TASKS=true")
	r := newReceiver(t)
	r.answerWith(http.StatusServiceUnavailable)
	id := api.post(`{"type":"debug.echo","payload":{"n":12345678901234567890},` + r.callback() + `}`)
	first := r.wait(func(calls []event) bool { return len(calls) > 0 })[0]
	delivery := fmt.Sprint(api.deliveries()[0]["id"])
	if first.WebhookID != delivery {
		t.Errorf("webhook-id %s, and the task is %s", first.WebhookID, delivery)
	}

	r.leave()
	tried := attempts(api.get(delivery))
	for deadline := time.Now().Add(patience); attempts(api.get(delivery)) <= tried; nap() {
		api.call("POST", "/v1/tasks/"+delivery+"/run", "") // rather than wait for it
		if time.Now().After(deadline) {
			t.Fatal("it is not tried again")
		}
	}
	api.waitState(delivery, "retrying")

	r.answerWith(http.StatusOK)
	r.open()
	api.call("POST", "/v1/tasks/"+delivery+"/run", "")
	if got := api.wait(delivery); got["state"] != "succeeded" || attempts(got) < 3 {
		t.Errorf("the delivery is %v", got)
	}
	taken := 0
	for _, call := range r.wait(func([]event) bool { return true }) {
		if call.WebhookID != delivery {
			t.Errorf("webhook-id %s, want %s", call.WebhookID, delivery)
		}
		if call.Status == http.StatusOK {
			taken++
		}
		if call.Type != "task.succeeded" || !reflect.DeepEqual(call.Data, api.get(id)) {
			t.Errorf("%s of %v, want the task as it is shown: %v", call.Type, call.Data, api.get(id))
		}
	}
	if taken != 1 || len(api.deliveries()) != 1 {
		t.Errorf("it was taken %d times, of %d deliveries", taken, len(api.deliveries()))
	}
}

func attempts(d document) float64 {
	n, _ := d["attempt"].(float64)
	return n
}

// Wherever a worker is when it is killed, each end has its callback, under one id.
func TestCallbacksOutliveTheirWorkers(t *testing.T) {
	t.Parallel()
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis, signsCallbacks, "BACKBEAT_DEBUG_TASKS=true")
	env := []string{redis, signsCallbacks, allowLoopback, "BACKBEAT_DEBUG_TASKS=true", "BACKBEAT_WORKER_CONCURRENCY=8"}
	r := newReceiver(t)
	const n = 300
	worker := start(t, "worker", env...)
	for i := range n {
		api.post(fmt.Sprintf(`{"id":"t-%d","type":"debug.echo","retention":%q,%s}`, i, []string{"0s", "1h"}[i%2], r.callback()))
		if i%100 == 99 {
			r.wait(func(calls []event) bool { return len(calls) > i/3 })
			worker.kill()
			worker = start(t, "worker", env...)
		}
	}
	ids := make(map[string]map[string]bool) // by task
	for _, call := range r.wait(func(calls []event) bool { return len(tasksOf(calls)) == n }) {
		task := fmt.Sprint(call.Data["id"])
		if ids[task] == nil {
			ids[task] = make(map[string]bool)
		}
		ids[task][call.WebhookID] = true
		if call.Type != "task.succeeded" {
			t.Errorf("%s of %s", call.Type, task)
		}
	}
	for task, webhooks := range ids {
		if len(webhooks) != 1 {
			t.Errorf("%s has callbacks under %d ids", task, len(webhooks))
		}
	}
}

func tasksOf(calls []event) map[any]bool {
	tasks := make(map[any]bool)
	for _, call := range calls {
		tasks[call.Data["id"]] = true
	}
	return tasks
}

// Also on the Redis that standalone brings along where there is none; and of each task of a schedule.
func TestStandaloneMakesCallbacks(t *testing.T) {
	for name, env := range map[string]string{"with redis-server": "HOME=/", "without": "PATH=/nonexistent"} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "standalone", env, signsCallbacks, allowLoopback)
			r := newReceiver(t)
			p.post(`{"id":"one","type":"debug.fail","max_retries":0,` + r.callback() + `}`)
			later := p.post(`{"id":"two","type":"debug.noop","delay":"1h",` + r.callback() + `}`)
			p.call("POST", "/v1/tasks/"+later+"/cancel", "")
			if a := p.call("PUT", "/v1/schedules/s", `{"every":"1s","max_runs":2,"task":{"type":"debug.echo",`+r.callback()+`}}`); a.Status != http.StatusCreated {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			p.call("POST", "/v1/schedules/s/trigger", "")
			calls := r.wait(func(calls []event) bool { return len(calls) == 5 })
			types := make(map[string]int)
			for _, call := range calls {
				of := fmt.Sprint(call.Data["id"])
				if call.Data["schedule"] != nil {
					of = "s"
				}
				types[of+" "+call.Type]++
			}
			if want := map[string]int{"one task.failed": 1, "two task.canceled": 1, "s task.succeeded": 3}; !reflect.DeepEqual(types, want) {
				t.Errorf("%v, want %v", types, want)
			}
			if key := strings.TrimPrefix(webhookSecret, "whsec_"); strings.Contains(p.logs()+fmt.Sprint(p.deliveries()), key) {
				t.Error("the secret is told")
			}
		})
	}
}

func TestCallbacksNeedASecret(t *testing.T) {
	p := start(t, "standalone")
	for _, body := range []string{
		`{"type":"debug.echo","callback":{"url":"https://example.com"}}`,
		`{"type":"callback.deliver","payload":{"url":"https://example.com","body":{}}}`,
	} {
		if a := p.call("POST", "/v1/tasks", body); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", body, a.Status, a.Body)
		}
	}
	if a := p.call("GET", "/v1/task-types", ""); strings.Contains(string(a.Body), "callback.deliver") {
		t.Errorf("%s", a.Body)
	}
}

func TestCallbacksReachPublicAddressesOnly(t *testing.T) {
	p := start(t, "standalone", signsCallbacks)
	r := newReceiver(t)
	p.wait(p.post(`{"type":"debug.echo",` + r.callback() + `}`))
	for deadline := time.Now().Add(patience); len(p.deliveries()) == 0; nap() {
		if time.Now().After(deadline) {
			t.Fatal("nothing is delivered")
		}
	}
	got := p.wait(fmt.Sprint(p.deliveries()[0]["id"]))
	failure, _ := got["error"].(map[string]any)
	if got["state"] != "failed" || failure["kind"] != "permanent" || len(r.calls) > 0 {
		t.Errorf("%v, %d calls", got, len(r.calls))
	}
}
