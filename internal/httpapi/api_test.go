package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/openapitest"
	"github.com/backbeat-go/backbeat/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const maxBodyBytes = 64 << 10

// testHosts is the host of httptest.NewRequest.
var testHosts = []string{"example.com"}

// stub stands in for a store where only what HTTP makes of its answers matters. Its other methods panic.
type stub struct {
	httpapi.Tasks
	err     error // what the methods answer with
	created []*task.Task
	waiting chan struct{} // closed when a Wait has begun; nil: nobody looks
	waited  time.Duration // how long the newest EnqueueAndWait was to wait
}

func (s *stub) Enqueue(_ context.Context, t *task.Task) error {
	if s.err == nil {
		t.ID = "made-up"
		s.created = append(s.created, t)
	}
	return s.err
}

func (s *stub) Now() time.Time { return time.Now() }

func (s *stub) EnqueueAll(ctx context.Context, tasks []*task.Task) []error {
	errs := make([]error, len(tasks))
	for i, t := range tasks {
		errs[i] = s.Enqueue(ctx, t)
	}
	return errs
}

func (s *stub) EnqueueOnce(
	ctx context.Context, _ catalog.Idempotency, prepare func(time.Time) (*task.Task, error), limit time.Duration,
) (*task.Task, bool, error) {
	s.waited = limit
	t, err := prepare(time.Now())
	if err != nil {
		return nil, false, err
	}
	return t, false, s.Enqueue(ctx, t)
}

func (s *stub) Get(_ context.Context, id string) (*task.Task, error) {
	return &task.Task{ID: id, State: task.Pending}, s.err
}

func (s *stub) Wait(ctx context.Context, id string) (*task.Task, error) {
	if s.waiting != nil {
		close(s.waiting)
	}
	<-ctx.Done()
	return s.Get(ctx, id)
}

func (s *stub) EnqueueAndWait(ctx context.Context, t *task.Task, limit time.Duration) (*task.Task, error) {
	s.waited = limit
	return t, s.Enqueue(ctx, t)
}

// Follow knows of tasks that are over.
func (s *stub) Follow(_ context.Context, id string) (<-chan *task.Task, func(), error) {
	news := make(chan *task.Task, 1)
	news <- &task.Task{ID: id, State: task.Succeeded}
	return news, func() {}, s.err
}

func (s *stub) List(_ context.Context, _ fleet.Filter, cursor string, _ int) (fleet.Page, error) {
	if cursor != "" {
		return fleet.Page{}, task.Invalid(task.ValidationError{Location: "cursor", Message: "is not a cursor"})
	}
	return fleet.Page{}, s.err
}

func (s *stub) Ping(context.Context) error { return s.err }

type payload struct {
	URL  string `json:"url" format:"uri"`
	Note any    `json:"note,omitempty"`
}

func registry(t testing.TB) *catalog.Catalog {
	t.Helper()
	r := catalog.New([]string{"default", "low"}, time.Hour)
	if err := r.Add(
		task.Define[payload, task.None]("call", task.Describe("Calls a URL.")).Type,
		task.Define[map[string]any, map[string]any]("echo").Type,
	); err != nil {
		t.Fatal(err)
	}
	return r
}

func newHandler(t testing.TB, change ...func(*httpapi.Config)) http.Handler {
	cfg := httpapi.Config{
		AllowedHosts: testHosts, Tasks: &stub{}, Audit: noAudit{}, Types: registry(t), Logger: slog.New(slog.DiscardHandler), MaxBodyBytes: maxBodyBytes,
	}
	for _, f := range change {
		f(&cfg)
	}
	return httpapi.New(cfg)
}

// serve serves an API until the test ends, and returns where.
func serve(t testing.TB, store httpapi.Tasks, change ...func(*httpapi.Config)) string {
	t.Helper()
	cfg := httpapi.Config{
		AllowedHosts: testHosts, Tasks: store, Audit: noAudit{}, Types: registry(t), Logger: slog.New(slog.DiscardHandler), MaxBodyBytes: maxBodyBytes, Version: "1.2.3",
	}
	for _, f := range change {
		f(&cfg)
	}
	server := httptest.NewServer(httpapi.New(cfg))
	t.Cleanup(server.Close)
	return server.URL
}

// answer is an answer with its body read.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem is a problem document.
type problem struct {
	Type, Title, Detail string
	Status              int
	Errors              []struct{ Location, Message string }
}

func (a answer) problem(t testing.TB) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("status %d: %v in %q", a.status, err, a.body)
	}
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" || p.Status != a.status || p.Title == "" || p.Type == "" || p.Detail == "" {
		t.Errorf("status %d, Content-Type %q, problem %+v", a.status, ct, p)
	}
	return p
}

func ask(t testing.TB, method, url, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	return send(t, req)
}

// send makes a request and reads the answer.
func send(t testing.TB, req *http.Request) answer {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s %s: no X-Request-Id", req.Method, req.URL)
	}
	openapitest.Fetch(t, "http://"+resp.Request.URL.Host).CheckAnswer(t, resp, data)
	return answer{resp.StatusCode, resp.Header, string(data)}
}

func TestBadTasks(t *testing.T) {
	store := &stub{}
	base := serve(t, store)
	const good = `"payload":{"url":"https://example.com"}`
	for name, tt := range map[string]struct {
		body      string
		status    int
		locations string // of all faults, in any order
	}{
		"malformed":                    {`{"type":`, 400, "body"},
		"trailing garbage":             {`{"type":"call",` + good + `} x`, 400, "body"},
		"deep nesting":                 {strings.Repeat("[", 60_000), 400, "body"},
		"deep payload":                 {`{"type":"echo","payload":` + nested(100) + `}`, 400, "body"},
		"NUL in a type":                {`{"type":"call\u0000",` + good + `}`, 422, "body.type"},
		"NUL in an id":                 {`{"type":"call","id":"a\u0000",` + good + `}`, 422, "body.id"},
		"NUL in a queue":               {`{"type":"call","queue":"low\u0000",` + good + `}`, 422, "body.queue"},
		"NUL outside of a string":      {"{\"type\":\x00}", 400, "body"},
		"huge number for a field":      {`{"type":"call","max_retries":99999999999999999999999,` + good + `}`, 422, "body.max_retries"},
		"not UTF-8":                    {"{\"type\":\"call\xff\"}", 400, "body"},
		"no object":                    {`[]`, 422, "body"},
		"null":                         {`null`, 422, "body body.type"},
		"no type":                      {`{` + good + `}`, 422, "body.type"},
		"unknown type":                 {`{"type":"nope"}`, 422, "body.type"},
		"unknown field":                {`{"type":"call","colour":1,` + good + `}`, 422, "body.colour"},
		"field in capitals":            {`{"type":"call","QUEUE":"low",` + good + `}`, 422, "body.QUEUE"},
		"wrong type of a field":        {`{"type":"call","max_retries":"5",` + good + `}`, 422, "body.max_retries"},
		"too many retries":             {`{"type":"call","max_retries":1001,` + good + `}`, 422, "body.max_retries"},
		"half a retry":                 {`{"type":"call","max_retries":1.5,` + good + `}`, 422, "body.max_retries"},
		"unknown queue":                {`{"type":"call","queue":"nope",` + good + `}`, 422, "body.queue"},
		"bad id":                       {`{"type":"call","id":"a b",` + good + `}`, 422, "body.id"},
		"no duration":                  {`{"type":"call","timeout":"soon",` + good + `}`, 422, "body.timeout"},
		"a number for a duration":      {`{"type":"call","timeout":30,` + good + `}`, 422, "body.timeout"},
		"overflowing duration":         {`{"type":"call","timeout":"9999999999h",` + good + `}`, 422, "body.timeout"},
		"no time":                      {`{"type":"call","run_at":"tomorrow",` + good + `}`, 422, "body.run_at"},
		"deadline that has passed":     {`{"type":"call","deadline":"2001-01-01T00:00:00Z",` + good + `}`, 422, "body.deadline"},
		"delay and run_at":             {`{"type":"call","delay":"1s","run_at":"2001-01-01T00:00:00Z",` + good + `}`, 422, "body.run_at"},
		"metadata that is no text":     {`{"type":"call","metadata":{"a":1},` + good + `}`, 422, "body.metadata.a"},
		"payload lacks a field":        {`{"type":"call","payload":{}}`, 422, "body.payload.url"},
		"payload has an unknown field": {`{"type":"call","payload":{"url":"https://example.com","x":1}}`, 422, "body.payload.x"},
		"two faults at once":           {`{"type":"call","queue":"nope","payload":{}}`, 422, "body.payload.url body.queue"},
		"deadline in the year 1":       {`{"type":"call","deadline":"0001-01-01T00:00:00Z",` + good + `}`, 422, "body.deadline"},
		"expiry in the year 1":         {`{"type":"call","expires_at":"0001-01-01T00:00:00.000Z",` + good + `}`, 422, "body.expires_at"},
		"delay and the year 1":         {`{"type":"call","delay":"1s","run_at":"0001-01-01T00:00:00Z",` + good + `}`, 422, "body.run_at"},
		"no URI":                       {`{"type":"call","payload":{"url":"example.com"}}`, 422, "body.payload.url"},
		"key twice":                    {`{"type":"call","type":"call",` + good + `}`, 400, "body"},
		"number out of range":          {`{"type":"echo","payload":{"n":1e400}}`, 422, "body"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, "POST", base+"/v1/tasks", tt.body)
			p := got.problem(t)
			var locations []string
			for _, e := range p.Errors {
				locations = append(locations, e.Location)
			}
			if got.status != tt.status || !sameWords(locations, tt.locations) {
				t.Errorf("%d at %q, want %d at %q: %s", got.status, locations, tt.status, tt.locations, got.body)
			}
		})
	}
	if len(store.created) > 0 {
		t.Errorf("%d bad tasks were enqueued", len(store.created))
	}
}

func sameWords(got []string, want string) bool {
	left := strings.Fields(want)
	if len(left) != len(got) {
		return false
	}
	for _, w := range left {
		if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+w+" ") {
			return false
		}
	}
	return true
}

func TestProblemsDoNotRepeatValues(t *testing.T) {
	base := serve(t, &stub{})
	for _, body := range []string{
		`{"type":"call","timeout":"hunter2"}`,
		`{"type":"call","payload":{"url":"hunter2 is no URL: %zz"}}`,
		`{"type":"call","payload":"hunter2"}`,
		`{"type":"call","metadata":{"a":["hunter2"]}}`,
	} {
		if got := ask(t, "POST", base+"/v1/tasks", body); got.status != 422 || strings.Contains(got.body, "hunter2") {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	if got := ask(t, "POST", base+"/v1/tasks", `{"type":"echo","payload":{"n":1e4242}}`); strings.Contains(got.body, "4242") {
		t.Errorf("a number is repeated: %s", got.body)
	}
}

func TestBadRequests(t *testing.T) {
	base := serve(t, &stub{})
	for name, tt := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		location           string // of the first fault, if there is one
	}{
		"empty body":               {"POST", "/v1/tasks", "", []string{"Content-Type", "application/json"}, 400, ""},
		"text":                     {"POST", "/v1/tasks", "{}", []string{"Content-Type", "text/plain"}, 415, ""},
		"a form":                   {"POST", "/v1/tasks", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, ""},
		"no type of content":       {"POST", "/v1/tasks", "{}", []string{"Content-Type", ""}, 415, ""},
		"too large":                {"POST", "/v1/tasks", strings.Repeat(" ", maxBodyBytes+1), nil, 413, ""},
		"limit too small":          {"GET", "/v1/tasks?limit=0", "", nil, 422, "query.limit"},
		"limit too large":          {"GET", "/v1/tasks?limit=1001", "", nil, 422, "query.limit"},
		"limit no number":          {"GET", "/v1/tasks?limit=all", "", nil, 422, "query.limit"},
		"unknown state":            {"GET", "/v1/tasks?state=asleep", "", nil, 422, "query.state"},
		"bad cursor":               {"GET", "/v1/tasks?cursor=x", "", nil, 422, "query.cursor"},
		"unknown parameter":        {"GET", "/v1/tasks?colour=red", "", nil, 422, "query.colour"},
		"wait too long":            {"GET", "/v1/tasks/x?wait=61s", "", nil, 422, "query.wait"},
		"wait negative":            {"GET", "/v1/tasks/x?wait=-1s", "", nil, 422, "query.wait"},
		"wait no duration":         {"GET", "/v1/tasks/x?wait=long", "", nil, 422, "query.wait"},
		"unknown route":            {"GET", "/v2/tasks", "", nil, 404, ""},
		"wrong method":             {"PUT", "/v1/tasks", "{}", nil, 405, ""},
		"page of another origin":   {"POST", "/v1/tasks", "{}", []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		"other origin by its name": {"POST", "/v1/tasks", "{}", []string{"Origin", "https://evil.example"}, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, tt.method, base+tt.path, tt.body, tt.header...)
			p := got.problem(t)
			if got.status != tt.status {
				t.Errorf("status %d, want %d: %s", got.status, tt.status, got.body)
			}
			if tt.location != "" && (len(p.Errors) == 0 || p.Errors[0].Location != tt.location) {
				t.Errorf("faults %v, want one at %s", p.Errors, tt.location)
			}
		})
	}
	if allow := ask(t, "PUT", base+"/v1/tasks", "{}").header.Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "POST") {
		t.Errorf("Allow: %q", allow)
	}
}

func TestBodyAsLargeAsTheLimit(t *testing.T) {
	store := &stub{}
	base := serve(t, store)
	body := `{"type":"echo","payload":{"p":""}}`
	body = strings.Replace(body, `""`, `"`+strings.Repeat("a", maxBodyBytes-len(body))+`"`, 1)
	if got := ask(t, "POST", base+"/v1/tasks", body); got.status != 202 {
		t.Errorf("%d bytes: status %d", len(body), got.status)
	}
	for name, reader := range map[string]io.Reader{
		"with its length": strings.NewReader(body + " "),
		"in chunks":       io.MultiReader(strings.NewReader(body), strings.NewReader(" ")),
	} {
		resp, err := http.Post(base+"/v1/tasks", "application/json", reader)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("one byte more, %s: status %d", name, resp.StatusCode)
		}
	}
}

func TestCreatedTask(t *testing.T) {
	store := &stub{}
	base := serve(t, store)
	got := ask(t, "POST", base+"/v1/tasks", `{"type":"echo","payload":{"big":12345678901234567890,"html":"<&>"},
		"id":null,"queue":null,"max_retries":null,"timeout":"1m30s","deadline":null,"delay":null,
		"run_at":"2036-01-01T08:00:00.5+08:00","expires_at":null,"unique_for":null,"retention":null,"metadata":null}`)
	if got.status != 202 || got.header.Get("Location") != "/v1/tasks/made-up" {
		t.Fatalf("%d, Location %q: %s", got.status, got.header.Get("Location"), got.body)
	}
	for _, want := range []string{
		`"payload":{"big":12345678901234567890,"html":"<&>"}`, `"run_at":"2036-01-01T00:00:00.500Z"`, `"state":"scheduled"`,
		`"queue":"default"`, `"result":null`, `"error":null`, `"progress":null`, `"metadata":null`, `"schedule":null`, `"worker":null`,
		`"started_at":null`, `"finished_at":null`, `"expires_at":null`, `"attempt":0`, `"cancel_requested":false`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("no %s in %s", want, got.body)
		}
	}
	if store.created[0].Timeout != 90*time.Second {
		t.Errorf("timeout %s", store.created[0].Timeout)
	}
}

func TestErrorsOfTheStore(t *testing.T) {
	for name, tt := range map[string]struct {
		err        error
		status     int
		retryAfter bool
	}{
		"not found":   {task.NotFound("there is no task"), 404, false},
		"conflict":    {task.Conflict("it is taken"), 409, false},
		"unavailable": {task.Unavailable(io.ErrUnexpectedEOF), 503, true},
		"unexpected":  {io.ErrUnexpectedEOF, 500, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			handler := httpapi.New(httpapi.Config{
				AllowedHosts: testHosts, Tasks: &stub{err: tt.err}, Types: registry(t), Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			req := httptest.NewRequest(http.MethodGet, "/v1/tasks/x", nil)
			req.Header.Set("X-Request-Id", "mine-17")
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, req) // without a server between, the log is complete when it returns
			got := answer{rec.Code, rec.Header(), rec.Body.String()}
			got.problem(t)
			if got.status != tt.status || (got.header.Get("Retry-After") != "") != tt.retryAfter {
				t.Errorf("status %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
			}
			if strings.Contains(got.body, "EOF") {
				t.Errorf("the cause is told: %s", got.body)
			}
			if logged := strings.Contains(log.String(), "EOF") && strings.Contains(log.String(), "mine-17"); logged != (tt.status >= 500) {
				t.Errorf("cause and request id in the log: %v\n%s", logged, log.String())
			}
		})
	}
}

func TestPanicIsAProblem(t *testing.T) {
	base := serve(t, &stub{}) // which has no workers to tell of
	if got := ask(t, "GET", base+"/v1/workers", ""); got.status != 500 || got.problem(t).Detail == "" || strings.Contains(got.body, "nil pointer") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestReadiness(t *testing.T) {
	up, down := serve(t, &stub{}), serve(t, &stub{err: task.Unavailable(io.EOF)})
	for url, want := range map[string]int{up + "/healthz": 200, up + "/readyz": 200, down + "/healthz": 200, down + "/readyz": 503} {
		got := ask(t, "GET", url, "")
		if got.status != want || want == 200 && !strings.Contains(got.body, `{"status":"ok"}`) {
			t.Errorf("%s: %d %s", url, got.status, got.body)
		}
	}
}

func TestRequestID(t *testing.T) {
	base := serve(t, &stub{})
	for sent, kept := range map[string]bool{"order-17_a.b": true, "a b": false, strings.Repeat("a", 129): false, "": false} {
		if got := ask(t, "GET", base+"/nowhere", "", "X-Request-Id", sent).header.Get("X-Request-Id"); (got == sent) != kept {
			t.Errorf("sent %q, got %q", sent, got)
		}
	}
}

func TestHostsWithoutAuthentication(t *testing.T) {
	base := serve(t, &stub{}, func(c *httpapi.Config) { c.AllowedHosts = []string{"api", "tasks.example.com"} })
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "LocalHost.": 200, "a.localhost:1": 200, "127.0.0.1:80": 200, "127.9.9.9": 200,
		"[::1]:80": 200, "[::1]": 200, "10.0.0.1:8080": 200, "0.0.0.0": 200, "192.0.2.7": 200, "[2001:db8::1]:80": 200,
		"api": 200, "api:8080": 200, "tasks.example.com": 200, "Tasks.Example.Com.:80": 200,
		"evil.example": 403, "localhost.evil.example": 403, "127.0.0.1.nip.io": 403, "tasks.example.com.evil.example": 403,
		"example.net": 403, "api.example.com": 403, "evillocalhost": 403,
	} {
		for _, path := range []string{"/v1/tasks", "/monitor", "/metrics", "/openapi.json"} {
			if got := ask(t, "GET", base+path, "", "Host", host); (got.status == 403) != (want == 403) {
				t.Errorf("GET %s, Host %s: %d, want %d", path, host, got.status, want)
			}
		}
		// A page that was rebound is of the same origin to its browser.
		if got := ask(t, "POST", base+"/v1/tasks", `{"type":"echo"}`, "Host", host, "Origin", "http://"+host); (got.status == 403) != (want == 403) {
			t.Errorf("POST, Host and Origin %s: %d, want %d", host, got.status, want)
		}
	}
}

func TestAnyHostWithAuthentication(t *testing.T) {
	a, err := auth.New(auth.Config{Keys: []auth.Key{{Name: "all", Secret: "key-of-all", Scopes: []string{"*"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	base := serve(t, &stub{}, func(c *httpapi.Config) { c.Auth = a })
	if got := ask(t, "GET", base+"/v1/tasks", "", "Host", "backbeat.example", "Authorization", "Bearer key-of-all"); got.status != 200 {
		t.Errorf("with credentials any name is fine, but: %d", got.status)
	}
}

func TestSafetyHeaders(t *testing.T) {
	base := serve(t, &stub{})
	for _, path := range []string{"/", "/docs", "/v1/tasks", "/nowhere"} {
		h := ask(t, "GET", base+path, "").header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", path, h)
		}
		if policy := h.Get("Content-Security-Policy"); (path == "/" || path == "/docs") && !strings.Contains(policy, "default-src") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
	if cache := ask(t, "GET", base+"/v1/tasks", "").header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("Cache-Control %q", cache)
	}
}

func TestWaitEndsWithTheClient(t *testing.T) {
	ended := make(chan struct{})
	store := &stub{waiting: make(chan struct{})}
	handler := httpapi.New(httpapi.Config{AllowedHosts: testHosts, Tasks: store, Types: registry(t), Logger: slog.New(slog.DiscardHandler), MaxBodyBytes: maxBodyBytes})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		close(ended)
	}))
	defer server.Close()
	ctx, hangUp := context.WithCancel(t.Context())
	go func() { <-store.waiting; hangUp() }()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/tasks/x?wait=60s", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Error("the client did not hang up")
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Error("the wait goes on without its client")
	}
}

func TestMonitorIsMounted(t *testing.T) {
	base := serve(t, &stub{}, func(c *httpapi.Config) {
		c.Monitor = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "monitor "+r.URL.Path) })
	})
	for _, path := range []string{"/monitor", "/monitor/", "/monitor/api/queues"} {
		if got := ask(t, "GET", base+path, ""); got.body != "monitor "+path {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestHeadAnswersLikeGet(t *testing.T) {
	url := serve(t, &stub{})
	for _, path := range []string{"/healthz", "/v1/tasks/a", "/docs"} {
		if got := ask(t, http.MethodHead, url+path, ""); got.status != http.StatusOK || got.body != "" {
			t.Errorf("HEAD %s: %d, %d bytes", path, got.status, len(got.body))
		}
	}
}

func TestMalformedQuery(t *testing.T) {
	url := serve(t, &stub{})
	for _, query := range []string{"limit=%zz", "limit=1;state=failed"} {
		if got := ask(t, http.MethodGet, url+"/v1/tasks?"+query, ""); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}
