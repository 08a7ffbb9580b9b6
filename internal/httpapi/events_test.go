package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// patience bounds what a test waits for. It is far beyond what anything here takes, and no measure of speed.
const patience = 30 * time.Second

var eventQueues = []fleet.Queue{{Name: "default", Weight: 1}}

// shop is a Redis with API servers and a worker on it. Its tasks do what the test tells them to, on orders: a percentage
// to report, an error to return, or the end.
type shop struct {
	t        *testing.T
	redis    *redistest.Server
	registry *catalog.Catalog
	handlers map[string]*task.Handler
	orders   chan any
	tasks    *queue.Client // of the first server
}

func newShop(t *testing.T, opts ...redistest.Option) *shop {
	t.Helper()
	s := &shop{
		t: t, redis: redistest.Start(t, opts...), registry: catalog.New([]string{"default"}, time.Hour),
		handlers: make(map[string]*task.Handler), orders: make(chan any),
	}
	work := task.Define[map[string]any, map[string]any]("work", task.Retry(task.Backoff{}))
	noop := task.Define[task.None, task.None]("noop", task.Retention(0))
	if err := s.registry.Add(work.Type, noop.Type); err != nil {
		t.Fatal(err)
	}
	s.handlers["work"] = work.Handle(s.work)
	s.handlers["noop"] = noop.Handle(func(context.Context, task.None) (task.None, error) { return task.None{}, nil })
	return s
}

func (s *shop) work(ctx context.Context, in map[string]any) (map[string]any, error) {
	for {
		select {
		case order := <-s.orders:
			switch o := order.(type) {
			case float64:
				task.Progress(ctx, o, "working")
			case error:
				return nil, o
			default:
				return in, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// order tells the running task what to do.
func (s *shop) order(o any) {
	s.t.Helper()
	select {
	case s.orders <- o:
	case <-time.After(patience):
		s.t.Fatalf("no task runs that would take %v", o)
	}
}

const done = "done" // the order to end

// open starts an API server with a client of its own, as another process would have, and returns its address.
func (s *shop) open(change ...func(*httpapi.Config)) string {
	s.t.Helper()
	server := httptest.NewServer(s.api(change...))
	s.t.Cleanup(server.Close)
	return server.URL
}

func (s *shop) api(change ...func(*httpapi.Config)) http.Handler {
	rdb := redis.NewClient(&redis.Options{Addr: s.redis.Addr(), MaxRetries: -1, DialerRetries: 1})
	s.t.Cleanup(func() { rdb.Close() })
	client := queue.NewClient(rdb, eventQueues)
	s.t.Cleanup(client.Close)
	if s.tasks == nil {
		s.tasks = client
	}
	cfg := httpapi.Config{
		AllowedHosts: testHosts, Tasks: client, Audit: noAudit{}, Types: s.registry, Logger: slog.New(slog.DiscardHandler), MaxBodyBytes: 4 << 20,
	}
	for _, f := range change {
		f(&cfg)
	}
	return httpapi.New(cfg)
}

// hire starts a worker that stops with the test.
func (s *shop) hire() {
	s.t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: s.redis.Addr(), MaxRetries: -1})
	w := worker.New(rdb, worker.Config{
		Types: s.registry, Handlers: s.handlers, Queues: eventQueues, Concurrency: 4,
		ShutdownTimeout: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err := w.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { w.Stop(); rdb.Close() })
}

// post hands a task in and returns its address.
func (s *shop) post(base, body string) string {
	s.t.Helper()
	return base + "/v1/tasks/" + want(s.t, 202, "POST", base+"/v1/tasks", body)["id"].(string)
}

// event is one Server-Sent Event.
type event struct {
	id, kind string
	data     string
	task     map[string]any
}

// stream is a stream of events that is read.
type stream struct {
	t        *testing.T
	resp     *http.Response
	events   chan event
	comments chan string
	hangUp   context.CancelFunc
}

// follow opens a stream of a task's events.
func follow(t *testing.T, task string, header ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, task+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{t: t, resp: resp, events: make(chan event, 1000), comments: make(chan string, 1000), hangUp: cancel}
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode == http.StatusOK && ct != "text/event-stream" {
		t.Errorf("Content-Type %q", ct)
	}
	go s.read()
	return s
}

func (s *stream) read() {
	defer close(s.events)
	defer s.resp.Body.Close()
	lines := bufio.NewReader(s.resp.Body)
	var e event
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "":
			if value != "" { // a line that begins with a colon
				s.comments <- value
			} else if e.kind != "" {
				s.events <- e
				e = event{}
			}
		case "id":
			e.id = value
		case "event":
			e.kind = value
		case "data":
			e.data = value
			if err := json.Unmarshal([]byte(value), &e.task); err != nil {
				s.t.Errorf("%v in %s", err, value)
			}
		}
	}
}

// next returns the next event; ok is false if the stream has ended.
func (s *stream) next() (e event, ok bool) {
	s.t.Helper()
	select {
	case e, ok = <-s.events:
		return e, ok
	case <-time.After(patience):
		s.t.Fatal("nothing comes, and no end")
		return e, false
	}
}

// wants takes the next event, which must be of the kind and show the task in the state.
func (s *stream) wants(kind, state string) event {
	s.t.Helper()
	e, ok := s.next()
	if !ok || e.kind != kind || e.task["state"] != state {
		s.t.Fatalf("got %s %v, want %s %s; there: %v", e.kind, e.task["state"], kind, state, ok)
	}
	return e
}

// until passes events over until there is one in the state.
func (s *stream) until(state string) event {
	s.t.Helper()
	for {
		e, ok := s.next()
		if !ok {
			s.t.Fatalf("the stream ended before the task was %s", state)
		}
		if e.task["state"] == state {
			return e
		}
	}
}

func (s *stream) ends() {
	s.t.Helper()
	if e, ok := s.next(); ok {
		s.t.Fatalf("there is one more: %s %s", e.kind, e.data)
	}
}

func TestEventsTellTheWholeLife(t *testing.T) {
	s := newShop(t)
	base := s.open()
	at := s.post(base, `{"type":"work","payload":{"text":"one\nline\u2028only <&>"},"metadata":{"a":"b"}}`)
	st := follow(t, at)
	all := []event{st.wants("state", "pending")}
	s.hire()
	all = append(all, st.wants("state", "running"))
	for _, percent := range []float64{25, 50, 75} {
		s.order(percent)
		e := st.wants("progress", "running")
		if got := e.task["progress"].(map[string]any); got["percent"] != percent || got["message"] != "working" {
			t.Errorf("%v, want %v", got, percent)
		}
		all = append(all, e)
	}
	s.order(done)
	last := st.wants("state", "succeeded")
	st.ends()
	ids := make(map[string]bool)
	for _, e := range append(all, last) {
		if e.id == "" || ids[e.id] {
			t.Errorf("the id %q is empty or comes twice", e.id)
		}
		ids[e.id] = true
	}
	// The last event is what everybody gets now, and its id the ETag of that.
	got := ask(t, "GET", at, "")
	if strings.TrimSpace(got.body) != last.data || got.header.Get("ETag") != `"`+last.id+`"` {
		t.Errorf("the task is %s with ETag %s, the last event was %s with id %s", got.body, got.header.Get("ETag"), last.data, last.id)
	}
}

func TestEventsOfRetriesAndCancellation(t *testing.T) {
	s := newShop(t)
	base := s.open()
	st := follow(t, s.post(base, `{"type":"work","max_retries":3}`))
	st.wants("state", "pending")
	s.hire()
	st.wants("state", "running")
	s.order(task.RetryAfter(time.Hour, errors.New("not yet")))
	if e := st.wants("state", "retrying"); e.task["error"].(map[string]any)["message"] != "not yet" {
		t.Errorf("%s", e.data)
	}
	want(t, 200, "POST", base+"/v1/tasks/"+st.id()+"/run", "")
	// It may be pending for too short a time to be seen.
	if e := st.until("running"); e.kind != "state" || e.task["attempt"] != 2.0 {
		t.Errorf("%s %v", e.kind, e.task["attempt"])
	}
	want(t, 200, "POST", base+"/v1/tasks/"+st.id()+"/cancel", "")
	if e := st.until("canceled"); e.task["cancel_requested"] != true {
		t.Errorf("%s", e.data)
	}
	st.ends()
}

// id is the task's, out of the address of the stream.
func (s *stream) id() string { return strings.Split(s.resp.Request.URL.Path, "/")[3] }

// A client that comes back, to whichever server, gets what it does not have.
func TestLastEventID(t *testing.T) {
	s := newShop(t)
	one, two := s.open(), s.open()
	at := s.post(one, `{"type":"work"}`)
	elsewhere := strings.Replace(at, one, two, 1)
	first := follow(t, at)
	pending := first.wants("state", "pending")
	first.hangUp()

	again := follow(t, elsewhere, "Last-Event-ID", pending.id)
	s.hire()
	running := again.wants("state", "running") // and not the same once more
	again.hangUp()
	s.order(10.0)
	late := follow(t, at, "Last-Event-ID", pending.id)
	if e := late.wants("state", "running"); e.id == pending.id {
		t.Error("it gets what it has")
	}
	further := follow(t, elsewhere, "Last-Event-ID", running.id)
	s.order(20.0)
	for e, ok := further.next(); ok; e, ok = further.next() {
		if e.task["progress"].(map[string]any)["percent"] == 20.0 {
			break
		}
	}
	s.order(done)
	end := further.until("succeeded")
	further.ends()
	late.until("succeeded")

	for _, url := range []string{at, elsewhere} {
		if over := follow(t, url, "Last-Event-ID", end.id); over.resp.StatusCode != http.StatusNoContent {
			t.Errorf("who has the end gets %d, want 204", over.resp.StatusCode)
		}
		over := follow(t, url, "Last-Event-ID", running.id)
		if e := over.wants("state", "succeeded"); e.id != end.id {
			t.Errorf("the id is %s on one server and %s on the other", end.id, e.id)
		}
		over.ends()
	}
}

func TestEventsOfWhatIsNotThere(t *testing.T) {
	s := newShop(t)
	base := s.open()
	if got := ask(t, "GET", base+"/v1/tasks/nobody/events", "", "Accept", "text/event-stream"); got.problem(t).Status != 404 {
		t.Errorf("%d %s", got.status, got.body)
	}
	at := s.post(base, `{"type":"work","delay":"1h"}`)
	st := follow(t, at, "Accept", "application/json")
	st.wants("state", "scheduled")
	want(t, 204, "DELETE", at, "")
	if e, _ := st.next(); e.kind != "deleted" || e.data != fmt.Sprintf(`{"id":%q}`, st.id()) || e.id != "" {
		t.Errorf("%+v", e)
	}
	st.ends()
}

// HEAD asks for no more than the header, so it must not wait for a stream to end.
func TestHeadOfEvents(t *testing.T) {
	s := newShop(t)
	at := s.post(s.open(func(c *httpapi.Config) { c.MaxWaiters = 1 }), `{"type":"work"}`)
	got := ask(t, http.MethodHead, at+"/events", "")
	if got.status != 200 || got.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %v", got.status, got.header)
	}
	awaitStatus(t, at+"/events", 200) // as soon as the other is over
}

// The time that http.Server gives answers is not for streams, which go on as long as their heartbeats are taken.
func TestHeartbeatsKeepTheStreamOpen(t *testing.T) {
	s := newShop(t)
	server := httptest.NewUnstartedServer(nil)
	server.Config = httpapi.Server(s.api(func(c *httpapi.Config) { c.Heartbeat = 50 * time.Millisecond }))
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	patient := s.open() // whose answers have their time
	made := s.post(patient, `{"type":"work","delay":"1h"}`)
	st := follow(t, strings.Replace(made, patient, server.URL, 1))
	for range 10 {
		select {
		case <-st.comments:
		case <-time.After(patience):
			t.Fatal("no heartbeat")
		}
	}
	want(t, 200, "POST", made+"/cancel", "")
	st.until("canceled")
}

func TestTooManyWaiters(t *testing.T) {
	s := newShop(t)
	base := s.open(func(c *httpapi.Config) { c.MaxWaiters = 2 })
	at := s.post(base, `{"type":"work","delay":"1h"}`)
	streams := []*stream{follow(t, at), follow(t, at)}
	for _, st := range streams {
		st.wants("state", "scheduled")
	}
	for _, path := range []string{"/events", "?wait=1s"} {
		got := ask(t, "GET", at+path, "")
		if got.problem(t).Status != 429 || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d, Retry-After %q", path, got.status, got.header.Get("Retry-After"))
		}
	}
	if got := ask(t, "GET", at, ""); got.status != 200 {
		t.Errorf("who does not wait gets %d", got.status)
	}
	// To wait is only preferred: the task counts.
	got := ask(t, "POST", base+"/v1/tasks", `{"type":"work","delay":"1h"}`, "Prefer", "wait=60")
	if got.status != 202 || got.header.Get("Preference-Applied") != "" {
		t.Errorf("%d, Preference-Applied %q", got.status, got.header.Get("Preference-Applied"))
	}
	// A place is free as soon as a client hangs up, or its request is over.
	for _, st := range streams {
		st.hangUp()
	}
	for range 2 {
		awaitStatus(t, at+"/events", 200)
	}
	for range 5 {
		if got := ask(t, "GET", base+"/v1/tasks/nobody/events", ""); got.status != 404 && got.status != 429 {
			t.Errorf("%d", got.status)
		}
	}
	awaitStatus(t, at+"?wait=1ms", 200)
}

// awaitStatus asks until it is answered with the status, and hangs up.
func awaitStatus(t *testing.T, url string, status int) {
	t.Helper()
	last := 0
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		last = resp.StatusCode
		cancel()
		resp.Body.Close()
		if last == status {
			return
		}
	}
	t.Fatalf("%s: %d, want %d", url, last, status)
}

func TestStreamsEndWhenTheServerStops(t *testing.T) {
	s := newShop(t)
	stopping := make(chan struct{})
	st := follow(t, s.post(s.open(func(c *httpapi.Config) { c.Stopping = stopping }), `{"type":"work","delay":"1h"}`))
	st.wants("state", "scheduled")
	close(stopping)
	st.ends()
	if comment := <-st.comments; comment != "the server stops" {
		t.Errorf("%q", comment)
	}
}

// Redis dies under a stream and comes back: there are heartbeats, and then what has happened since.
func TestStreamsOutliveRedis(t *testing.T) {
	s := newShop(t, redistest.WithAOF())
	st := follow(t, s.post(s.open(func(c *httpapi.Config) { c.Heartbeat = 20 * time.Millisecond }), `{"type":"work"}`))
	st.wants("state", "pending")
	s.hire()
	st.wants("state", "running")
	s.redis.Kill()
	for range 20 {
		select {
		case <-st.comments:
		case <-time.After(patience):
			t.Fatal("no heartbeat while redis is away")
		}
	}
	s.order(done)
	s.redis.Restart()
	st.until("succeeded")
	st.ends()
}

// Hundreds of clients follow a task; some open a stream and never read, until their connections can take no more. The
// others get their events, and those that do not read lose their streams.
func TestSlowReadersHurtNobodyElse(t *testing.T) {
	const readers, sleepers = 500, 10
	s := newShop(t)
	base := s.open(func(c *httpapi.Config) { c.Heartbeat, c.MaxWaiters = 5*time.Second, readers+sleepers })
	// Each event is far larger than what a connection holds.
	big := `{"type":"work","id":"big","payload":{"text":"` + strings.Repeat("x", 3<<20) + `"}}`
	small := s.post(base, `{"type":"work","id":"small"}`)
	s.post(base, big)
	for range sleepers {
		sleep(t, base, "/v1/tasks/big/events")
	}
	var streams []*stream
	for range readers {
		st := follow(t, small)
		st.wants("state", "pending")
		streams = append(streams, st)
	}
	s.hire()
	all := func(kind, state string) {
		t.Helper()
		var reading sync.WaitGroup
		for _, st := range streams {
			reading.Go(func() {
				if e, ok := st.next(); !ok || e.kind != kind || e.task["state"] != state {
					t.Errorf("got %s %v, want %s %s", e.kind, e.task["state"], kind, state)
				}
			})
		}
		reading.Wait()
	}
	all("state", "running")
	s.order(done)
	s.order(done) // both tasks
	all("state", "succeeded")
	for _, st := range streams {
		st.ends()
	}
	// All places are free again, those of the sleepers too.
	later := s.post(base, `{"type":"work","delay":"1h"}`)
	for range readers + sleepers {
		holdStream(t, later)
	}
}

// sleep asks for a stream and never reads it.
func sleep(t *testing.T, base, path string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

// holdStream opens a stream as soon as there is room for one, and holds it until the test ends.
func holdStream(t *testing.T, task string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		st := follow(t, task)
		if st.resp.StatusCode == http.StatusOK {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("there is no room for another stream")
}

func TestPrefer(t *testing.T) {
	s := newShop(t)
	base := s.open()
	s.hire()
	prefer := func(value, body string) answer {
		t.Helper()
		return ask(t, "POST", base+"/v1/tasks", body, "Prefer", value)
	}
	for range 100 { // it is over and gone before anybody could look for it
		got := prefer("wait=30", `{"type":"noop"}`)
		if got.status != 200 || got.header.Get("Preference-Applied") != "wait=30" || !strings.Contains(got.body, `"state":"succeeded"`) ||
			!strings.HasPrefix(got.header.Get("Location"), "/v1/tasks/") {
			t.Fatalf("%d %v %s", got.status, got.header, got.body)
		}
	}
	go func() { s.orders <- errors.New("no luck") }()
	if got := prefer("respond-async, wait=30", `{"type":"work","max_retries":0,"retention":"0s"}`); got.status != 200 || !strings.Contains(got.body, `"message":"no luck"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := prefer("wait=1", `{"type":"work","id":"slow"}`); got.status != 202 || got.header.Get("Preference-Applied") != "wait=1" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	for _, value := range []string{"wait=0", "wait=-1", "wait=soon", "wait=1.5", "wait", "wait=", "return=minimal", `foo="wait=5`, `foo="a, wait=5"`} {
		if got := prefer(value, `{"type":"work","delay":"1h"}`); got.status != 202 || got.header.Get("Preference-Applied") != "" {
			t.Errorf("%q: %d, Preference-Applied %q", value, got.status, got.header.Get("Preference-Applied"))
		}
	}
	if got := prefer("wait=5", `{"type":"work","id":"slow"}`); got.problem(t).Status != 409 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := prefer("wait=5", `{"type":"nope"}`); got.problem(t).Status != 422 {
		t.Errorf("%d %s", got.status, got.body)
	}
	s.order(done)
}

// How long a client prefers to wait, in all the ways in which it may say so.
func TestHowLongToWait(t *testing.T) {
	store := &stub{}
	base := serve(t, store)
	for value, want := range map[string]time.Duration{
		"wait=10": 10 * time.Second, "WAIT = 10": 10 * time.Second, `wait="10"`: 10 * time.Second, "wait=010": 10 * time.Second,
		"wait=60": time.Minute, "wait=61": time.Minute, "wait=99999999999999999999": time.Minute,
		"respond-async; a=b, wait=10; c=d": 10 * time.Second, "wait=10, wait=20": 10 * time.Second, "wait=x, wait=20": 0,
		`foo="a\", wait=5", wait=7`: 7 * time.Second, ",,;,wait=3": 3 * time.Second, `"`: 0, `wait="`: 0, "": 0,
	} {
		store.waited = 0
		got := ask(t, "POST", base+"/v1/tasks", `{"type":"echo"}`, "Prefer", value)
		if store.waited != want || got.status != 202 {
			t.Errorf("%s: %s, want %s; status %d", value, store.waited, want, got.status)
		}
		if applied := got.header.Get("Preference-Applied"); want > 0 && applied != fmt.Sprintf("wait=%d", want/time.Second) {
			t.Errorf("%s: Preference-Applied %q", value, applied)
		}
	}
	req := httptest.NewRequest(http.MethodPost, "/v1/tasks", strings.NewReader(`{"type":"echo"}`))
	req.Header["Prefer"] = []string{"respond-async", "wait=4"}
	req.Header.Set("Content-Type", "application/json")
	newHandler(t, func(c *httpapi.Config) { c.Tasks = store }).ServeHTTP(httptest.NewRecorder(), req)
	if store.waited != 4*time.Second {
		t.Errorf("in a second header: %s", store.waited)
	}
}

// The task stays when the client that waits for it hangs up.
func TestPreferAndHangUp(t *testing.T) {
	s := newShop(t)
	base := s.open()
	ctx, hangUp := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/tasks", strings.NewReader(`{"type":"work","id":"mine"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Prefer", "wait=60")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			t.Error("the client did not hang up")
		}
	}()
	awaitStatus(t, base+"/v1/tasks/mine", 200)
	hangUp()
	<-ended
	s.hire()
	s.order(done)
	wantState(t, want(t, 200, "GET", base+"/v1/tasks/mine?wait=30s", ""), "succeeded")
}

func TestIfNoneMatch(t *testing.T) {
	s := newShop(t)
	base := s.open()
	at := s.post(base, `{"type":"work","delay":"1h"}`)
	tag := ask(t, "GET", at, "").header.Get("ETag")
	if len(tag) < 10 || tag[0] != '"' {
		t.Fatalf("ETag %q", tag)
	}
	for _, tags := range []string{tag, "W/" + tag, "*", `"other", ` + tag, tag + `,"x"`} {
		got := ask(t, "GET", at, "", "If-None-Match", tags)
		if got.status != 304 || got.body != "" || got.header.Get("ETag") != tag {
			t.Errorf("%s: %d %q, ETag %s", tags, got.status, got.body, got.header.Get("ETag"))
		}
	}
	if got := ask(t, "GET", at+"?wait=10ms", "", "If-None-Match", tag); got.status != 304 {
		t.Errorf("waiting: %d", got.status)
	}
	want(t, 200, "POST", at+"/run", "")
	for _, tags := range []string{tag, "", `"`, "x", tag[1:]} {
		if got := ask(t, "GET", at, "", "If-None-Match", tags); got.status != 200 || got.header.Get("ETag") == tag || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("after a change, %q: %d, ETag %s, %s", tags, got.status, got.header.Get("ETag"), got.header.Get("Content-Type"))
		}
	}
	if got := ask(t, "GET", base+"/v1/tasks/nobody", "", "If-None-Match", "*"); got.status != 404 {
		t.Errorf("nobody: %d", got.status)
	}
}

// What is a stream for one client is documented for all.
func TestEventsAreDocumented(t *testing.T) {
	doc := readOpenAPI(t, serve(t, &stub{}))
	content := doc.Paths["/v1/tasks/{id}/events"]["get"].Responses["200"].Content
	if _, ok := content["text/event-stream"]; !ok {
		t.Errorf("%v", content)
	}
	for path, status := range map[string]string{"/v1/tasks/{id}": "get 200", "/v1/tasks": "post 200"} {
		method, code, _ := strings.Cut(status, " ")
		data, err := json.Marshal(doc.Paths[path][method].Responses[code].Content["application/json"])
		if err != nil || !strings.Contains(string(data), "TaskDocument") {
			t.Errorf("%s %s: %s", path, status, data)
		}
	}
	if !slices.ContainsFunc([]string{"304", "429"}, func(code string) bool {
		_, ok := doc.Paths["/v1/tasks/{id}"]["get"].Responses[code]
		return ok
	}) {
		t.Error("304 and 429 are not documented")
	}
}

// FuzzTaskHeaders sends whatever may stand in headers.
func FuzzTaskHeaders(f *testing.F) {
	for _, seed := range []string{"wait=1", `a="\`, `"x", W/"y"`, "*", ",;,", `wait="1`, "\\", "wait=1e9"} {
		f.Add(seed)
	}
	handler := newHandler(f)
	f.Fuzz(func(t *testing.T, value string) {
		for _, call := range []struct{ method, path, body, header string }{
			{"POST", "/v1/tasks", `{"type":"echo"}`, "Prefer"},
			{"GET", "/v1/tasks/x", "", "If-None-Match"},
			{"GET", "/v1/tasks/x/events", "", "Last-Event-ID"},
		} {
			req := httptest.NewRequest(call.method, call.path, strings.NewReader(call.body))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set(call.header, value)
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, req)
			if rec.Code >= 400 {
				t.Errorf("%s: %q: %d %s", call.header, value, rec.Code, rec.Body)
			}
		}
	})
}
