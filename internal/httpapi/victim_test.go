package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"golang.org/x/net/http/httpguts"

	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/openapitest"
)

// victim is an API on a Redis of its own that gets hostile requests, each of which finds the same things there.
type victim struct {
	handler    http.Handler
	document   *openapitest.Document
	rdb        *redis.Client
	keys       []savedKey
	whole      string            // a digest of it all
	before     map[string]string // one of each key that does not go away by itself
	goroutines int
}

type savedKey struct {
	name, dump string
	ttl        time.Duration
}

// What is there. Its names are those of the document's examples, so that these find something.
var inhabitants = [][2]string{
	{"POST /v1/tasks", `{"type":"echo","id":"order-17","delay":"1h","payload":{"n":1}}`},
	{"POST /v1/tasks", `{"type":"echo","id":"canceled","queue":"low"}`},
	{"POST /v1/tasks/canceled/cancel", ``},
	{"POST /v1/tasks", `{"type":"echo","id":"pending","unique_for":"1h"}`},
	{"PUT /v1/schedules/hourly-crawl", `{"cron":"@hourly","task":{"type":"echo"}}`},
}

func newVictim(t testing.TB, change ...func(*httpapi.Config)) *victim {
	t.Helper()
	var open, cfg httpapi.Config
	keep := func(into *httpapi.Config) func(*httpapi.Config) { return func(c *httpapi.Config) { *into = *c } }
	base, server := serveBroker(t, append(append([]func(*httpapi.Config){keep(&open)}, change...), keep(&cfg))...)
	for _, call := range inhabitants {
		method, path, _ := strings.Cut(call[0], " ")
		r := httptest.NewRequest(method, path, strings.NewReader(call[1]))
		r.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		httpapi.New(open).ServeHTTP(answer, r)
		if answer.Code >= 300 {
			t.Fatalf("%s: %d %s", call[0], answer.Code, answer.Body)
		}
	}
	v := &victim{handler: httpapi.New(cfg), document: openapitest.Fetch(t, base), rdb: server.Client(t)}
	v.save(t)
	v.goroutines = runtime.NumGoroutine()
	return v
}

func (v *victim) save(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	for _, name := range v.rdb.Keys(ctx, "*").Val() {
		key := savedKey{name: name, dump: v.rdb.Dump(ctx, name).Val()}
		if ttl := v.rdb.PTTL(ctx, name).Val(); ttl > 0 {
			key.ttl = ttl
		}
		v.keys = append(v.keys, key)
	}
	if len(v.keys) == 0 {
		t.Fatal("Redis holds nothing")
	}
	v.whole, v.before = v.digest(t, "DIGEST"), v.content(t)
}

// restore puts back what there was before any request.
func (v *victim) restore(t testing.TB) {
	t.Helper()
	_, err := v.rdb.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		p.FlushDB(t.Context())
		for _, key := range v.keys {
			p.Restore(t.Context(), key.name, key.ttl, key.dump)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// content returns a digest of each key that does not go away by itself, but for the audit log, which is capped and tells
// of what was refused.
func (v *victim) content(t testing.TB) map[string]string {
	t.Helper()
	ctx := t.Context()
	content := make(map[string]string)
	names := v.rdb.Keys(ctx, "*").Val()
	ttls, err := v.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, name := range names {
			p.PTTL(ctx, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if ttls[i].(*redis.DurationCmd).Val() == -1 && name != "backbeat:audit" {
			content[name] = v.digest(t, "DIGEST-VALUE", name)
		}
	}
	return content
}

// digest does not depend on the order of hashes and sets, as a dump does.
func (v *victim) digest(t testing.TB, what ...any) string {
	t.Helper()
	sum, err := v.rdb.Do(t.Context(), append([]any{"DEBUG"}, what...)...).Result()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(sum)
}

// attack is a request that somebody may send. What it leaves empty is as in the examples of the document.
type attack struct {
	operation     string // its id; any other text means some operation
	id            string // in place of the parameters of the path, as it stands in the request line
	query         string
	header, value string
	body          string
}

// headers are all that something here reads, besides those that the document names.
var headers = []string{
	"Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Encoding", "Content-Type", "Cookie", "Expect", "Forwarded", "Host",
	"Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "Last-Event-Id", "Origin", "Prefer", "Range", "Sec-Fetch-Site", "Traceparent",
	"Upgrade", "X-Forwarded-For", "X-Http-Method-Override", "X-Request-Id",
}

// pick returns the element of that name, or for any other name always the same one.
func pick[T any](name string, from []T, nameOf func(T) string) T {
	if i := slices.IndexFunc(from, func(one T) bool { return nameOf(one) == name }); i >= 0 {
		return from[i]
	}
	h := fnv.New32a()
	_, _ = io.WriteString(h, name)
	return from[h.Sum32()%uint32(len(from))]
}

func (v *victim) operation(a attack) openapitest.Operation {
	return pick(a.operation, v.document.Operations, func(op openapitest.Operation) string { return op.ID })
}

func (v *victim) headerNames() []string {
	names := slices.Clone(headers)
	for _, op := range v.document.Operations {
		for _, p := range op.Parameters {
			if p.In == "header" {
				names = append(names, http.CanonicalHeaderKey(p.Name))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// bodies are taken where an example of the document speaks of types that are not there.
var bodies = map[string]string{
	"create-task":  `{"type":"echo","payload":{"n":1}}`,
	"create-tasks": `{"tasks":[{"type":"echo"},{"type":"echo","id":"order-17"}]}`,
	"put-schedule": everyMinute,
}

func (v *victim) request(a attack) *http.Request {
	op := v.operation(a)
	target := op.Fill(func(p openapitest.Parameter) string {
		if a.id == "" {
			return p.Example()
		}
		return a.id
	})
	if a.query != "" {
		target += "?" + a.query
	}
	body, contentType := bodies[op.ID], "application/json"
	for name, media := range op.Body.Content {
		contentType = name
		if body == "" {
			body = string(media.Example)
		}
	}
	if a.body != "" {
		body = a.body
	}
	r := newRequest(op.Method, target, body)
	if r == nil {
		return nil
	}
	if body != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if a.header == "" {
		return r
	}
	name := pick(a.header, v.headerNames(), func(name string) string { return name })
	if !httpguts.ValidHeaderFieldValue(a.value) || name == "Host" && !httpguts.ValidHostHeader(a.value) {
		return nil
	}
	if r.Header.Set(name, a.value); name == "Host" {
		r.Host = a.value
	}
	return r
}

// newRequest returns nil for what no server would hand on.
func newRequest(method, target, body string) *http.Request {
	u, err := url.ParseRequestURI(target)
	if err != nil || !regexp.MustCompile(`^[A-Za-z]+$`).MatchString(method) {
		return nil
	}
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.URL, r.RequestURI = u, target
	return r
}

// send lets the victim answer and returns that answer, after it has found nothing wrong with it.
func (v *victim) send(t *testing.T, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	method, path := r.Method, r.URL.Path
	ctx, cancel := context.WithTimeout(t.Context(), v.patience(r))
	defer cancel()
	answer := httptest.NewRecorder()
	v.handler.ServeHTTP(answer, r.WithContext(ctx))

	complain := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s %q, headers %q, body %.1000q: "+format, append([]any{method, r.RequestURI, r.Header, body}, args...)...)
	}
	if answer.Code >= 500 && ctx.Err() == nil {
		complain("%d %s", answer.Code, answer.Body)
	}
	if answer.Header().Get("X-Request-Id") == "" {
		complain("no X-Request-Id")
	}
	if media, _, _ := mime.ParseMediaType(answer.Header().Get("Content-Type")); strings.HasSuffix(media, "json") && !json.Valid(answer.Body.Bytes()) {
		complain("no JSON: %q", answer.Body)
	}
	if method != http.MethodHead {
		for _, fault := range v.document.Check(method, path, answer.Code, answer.Header(), answer.Body.Bytes()) {
			complain("%d is not as documented: %s: %s", answer.Code, fault, answer.Body)
		}
	}
	if answer.Code < 300 && path != "/v1/tasks/batch" { // which answers for each task, and takes whatever is none
		for _, fault := range v.document.CheckBody(method, path, body) {
			complain("was taken, and is not as documented: %s", fault)
		}
	}
	// Who hangs up is not told what has become of the request.
	v.checkTraces(complain, t, answer.Code >= 400 && ctx.Err() == nil)
	return answer
}

// patience is short for requests that may wait for something.
func (v *victim) patience(r *http.Request) time.Duration {
	op, _ := v.document.Find(r.Method, r.URL.Path)
	_, streams := op.Responses["200"].Content["text/event-stream"]
	if streams || r.Header.Get("Prefer") != "" || strings.Contains(r.URL.RawQuery, "wait") {
		return 20 * time.Millisecond
	}
	return 30 * time.Second
}

// checkTraces looks for what a request has left behind.
func (v *victim) checkTraces(complain func(string, ...any), t *testing.T, refused bool) {
	t.Helper()
	if n := runtime.NumGoroutine(); n > v.goroutines+50 {
		stacks := make([]byte, 1<<16)
		complain("%d goroutines, after %d: %s", n, v.goroutines, stacks[:runtime.Stack(stacks, true)])
	}
	if v.digest(t, "DIGEST") == v.whole {
		return
	}
	if after := v.content(t); refused && !maps.Equal(after, v.before) {
		complain("refused, and Redis has changed: %s", cmp.Diff(v.before, after))
	}
	v.restore(t)
}
