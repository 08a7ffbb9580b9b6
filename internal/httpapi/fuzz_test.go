package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/openapitest"
)

// The seeds of each target are for each operation of the document, so that a new one is attacked from its first day.
func eachOperation(v *victim, what func(op openapitest.Operation) []attack) (all []attack) {
	for _, op := range v.document.Operations {
		for _, a := range what(op) {
			a.operation = op.ID
			all = append(all, a)
		}
	}
	return all
}

var hostileBodies = []string{
	`{}`, `[]`, `[`, `null`, `"`, `1e400`, `true`, "\xff", ` `, strings.Repeat("[", 20_000), strings.Repeat(" ", maxBodyBytes+1),
	`{"type":"call","payload":{"url":"https://example.com"}}`, `{"type":"echo","payload":{"n":1e400}}`, `{"type":"echo"} {}`, `{"type":"echo","id":"order-17"}`,
	`{"type":"echo","timeout":"1h","run_at":"2036-01-01T00:00:00+23:59","metadata":{"":""},"max_retries":-1}`,
	`{"type":"echo","deadline":"9999-12-31T23:59:59-23:59","delay":"2562047h47m16.854775807s"}`,
	`{"type":"echo","unique_for":"1h","retention":"0s","expires_at":"2036-01-01T00:00:00Z","id":"a:b@c","queue":null}`,
	`{"tasks":[{"type":"echo"},{"type":"nope"},1,null]}`, `{"tasks":[]}`, `{"tasks":{}}`, `{"tasks":[{"type":"echo"}]}x`,
	everyMinute, `{"cron":"*/5 9-17 * * mon-fri","timezone":"Asia/Shanghai","task":{"type":"echo"},"jitter":"24h","start_at":"9900-12-31T23:59:59Z"}`,
	`{"at":"9999-12-31T23:59:59-23:59","task":{"type":"echo"},"end_at":"9999-12-31T23:59:59-23:59"}`, `{"task":{"payload":{"a":null}}}`,
	`{"every":"8784h","count":1000,"after":"9900-12-31T23:59:59Z","timezone":"Pacific/Kiritimati"}`, `{"cron":"0 0 29 2 *","count":1000}`,
	`{"every":"1s","start_at":"1970-01-01T00:00:00Z","after":"9900-01-01T00:00:00Z"}`, `{"task":null}`, `{"task":[]}`, `{"paused":true}`,
	`{"every":"1s","task":{"type":"echo","metadata":{"a.b":1,"c":[]},"payload":1e400,"max_retries":1e1}}`, `{"max_runs":1e18,"misfire_grace_time":"9999999h"}`,
	`{"action":"cancel","filter":{"queue":"default","state":"scheduled","older_than":"1s"},"dry_run":true}`, `{"action":"delete","filter":{}}`,
	`{"action":"delete","filter":{"queue":"low","state":"failed","older_than":"2562047h47m16.854775807s"},"dry_run":true}`,
	`{"action":null,"filter":[]}`, `{"action":"retry","filter":{"queue":"\u0000","type":"\ud800"}}`,
	`{"type":"echo","callback":{"url":"http://127.0.0.1/","events":["succeeded"]}}`, `{"type":"echo","callback":{"url":"\u0000","events":[null]}}`,
	`{"type":"echo","callback":{"url":"https://example.com","events":["failed","failed"]}}`,
}

func bodySeeds(v *victim) []attack {
	return eachOperation(v, func(op openapitest.Operation) (all []attack) {
		bodies := append([]string{""}, hostileBodies...)
		if len(op.Body.Content) == 0 {
			bodies = []string{"", "{}", "[", "\xff", everyMinute, strings.Repeat(" ", maxBodyBytes+1)} // nobody reads them
		}
		for _, body := range bodies {
			all = append(all, attack{body: body})
		}
		return append(all, attack{body: `{}`, header: "Content-Type", value: "text/plain"}, attack{body: "\xef\xbb\xbf{}", header: "Content-Type", value: "application/json;charset=utf-16"})
	})
}

func FuzzBodies(f *testing.F) {
	v := newVictim(f)
	for _, a := range bodySeeds(v) {
		f.Add(a.operation, a.value, a.body)
	}
	f.Fuzz(func(t *testing.T, operation, contentType, body string) {
		a := attack{operation: operation, body: body}
		if contentType != "" {
			a.header, a.value = "Content-Type", contentType
		}
		v.meet(t, a)
	})
}

// meet sends an attack, if there is a way to send it.
func (v *victim) meet(t *testing.T, a attack) {
	t.Helper()
	if r := v.request(a); r != nil {
		v.send(t, r)
	}
}

func pathSeeds(v *victim) []attack {
	return eachOperation(v, func(openapitest.Operation) (all []attack) {
		for _, id := range []string{
			"", "order-17", "hourly-crawl", "default", "pending", "canceled", "a%40b", "a@b", "a:b", "%2F", "..", ".", "%2e%2e", "%00", "%", "%ff", "%F0%9F%98%80",
			"x/", "/", "x%3Fwait=1s", "x;y", "{id}", "}{", "*", "batch", "preview", strings.Repeat("a", 300), "backbeat:%7Bdefault%7D:due", "%0d%0aX-A:%20b",
		} {
			all = append(all, attack{id: id})
		}
		return all
	})
}

func FuzzPaths(f *testing.F) {
	v := newVictim(f)
	for _, a := range pathSeeds(v) {
		f.Add(a.operation, a.id)
	}
	f.Fuzz(func(t *testing.T, operation, id string) {
		v.meet(t, attack{operation: operation, id: id})
	})
}

func querySeeds(v *victim) []attack {
	return eachOperation(v, func(op openapitest.Operation) (all []attack) {
		for _, query := range []string{"no-such-parameter=1", "&", "%zz", ";", "=", "%00=%00", "limit=1&state=failed&limit=2", "wait=1s", "cursor=" + validCursor} {
			all = append(all, attack{query: query})
		}
		for _, p := range op.Parameters {
			if p.In != "query" {
				continue
			}
			for _, value := range []string{p.Example(), "", "0", "-1", "1", "99999999999999999999", "%00", "%ff", "1e9s", "0s", "e30", "[]", "true", "failed", "2026-01-01T00:00:00Z"} {
				all = append(all, attack{query: p.Name + "=" + value}, attack{query: p.Name + "=" + value + "&" + p.Name + "="})
			}
		}
		return all
	})
}

// validCursor is one of the list of tasks, and of that of schedules it is none.
var validCursor = base64.RawURLEncoding.EncodeToString([]byte(`{"q":"default","t":"scheduled"}`))

func FuzzQueries(f *testing.F) {
	v := newVictim(f)
	for _, a := range querySeeds(v) {
		f.Add(a.operation, a.query)
	}
	f.Fuzz(func(t *testing.T, operation, query string) {
		v.meet(t, attack{operation: operation, query: query})
	})
}

var hostileHeaders = map[string][]string{
	"Accept":            {"*/*", "text/html", "application/json;q=0", ";", "text/event-stream"},
	"Authorization":     {"Bearer", "Bearer x", "Basic Og==", "Basic !", "Bearer a.b.c", "Bearer key-of-all", "bearer  key-of-all ", "\xff"},
	"Content-Type":      {"application/json; charset=utf-8", "application/merge-patch+json", "application/x-www-form-urlencoded", "application/json;;", "/", "text/plain", "application/+json"},
	"Content-Encoding":  {"gzip"},
	"Idempotency-Key":   {"k", strings.Repeat("k", 300), "\"k\"", "k\x80"},
	"If-Match":          {`"r1"`, `W/"r1"`, `*`, `"r2", "r1"`, `,`, `"`, "r1", "\xff"},
	"If-None-Match":     {`"r1"`, `W/"r1"`, `*`, `"r2", "r1"`, `,`, `"`, "\xff"},
	"Last-Event-Id":     {"0", "-1", "99999999999999999999", "1-0", "x"},
	"Origin":            {"null", "https://evil.example", "http://example.com"},
	"Prefer":            {"wait=0", "wait=1", "wait=-1", "wait=99999999999999999999", "wait", "wait=x, respond-async", `wait="1"`, ";;"},
	"Sec-Fetch-Site":    {"cross-site", "same-origin", "none", "x"},
	"Traceparent":       {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
	"Upgrade":           {"websocket", "h2c"},
	"X-Request-Id":      {"mine-17", "17", "a b", strings.Repeat("a", 129), "<script>"},
	"Host":              {"", "localhost", "evil.example:80", "[::1]"},
	"Expect":            {"100-continue"},
	"Accept-Encoding":   {"gzip"},
	"Range":             {"bytes=0-1"},
	"If-Modified-Since": {"Sat, 21 Nov 2026 00:00:00 GMT"},
}

func headerSeeds(v *victim) []attack {
	turn := 0
	return eachOperation(v, func(op openapitest.Operation) (all []attack) {
		for _, name := range v.headerNames() {
			values := append([]string{"x", ""}, hostileHeaders[name]...)
			if !op.Reads(name) {
				turn++ // operations take turns at what is read before them, or not at all
				values = values[turn%len(values):][:1]
			}
			for _, value := range values {
				all = append(all, attack{header: name, value: value})
			}
		}
		return all
	})
}

func FuzzHeaders(f *testing.F) {
	v := newVictim(f)
	guarded := newVictim(f, guard(f))
	for _, a := range headerSeeds(v) {
		f.Add(a.operation, a.header, a.value)
	}
	f.Fuzz(func(t *testing.T, operation, header, value string) {
		v.meet(t, attack{operation: operation, header: header, value: value})
		guarded.meet(t, attack{operation: operation, header: header, value: value})
	})
}

// guard lets only those call who have key-of-all, and mounts a dashboard that answers to anything.
func guard(t testing.TB) func(*httpapi.Config) {
	t.Helper()
	a, err := auth.New(auth.Config{
		Keys: []auth.Key{{Name: "all", Secret: "key-of-all", Scopes: []string{auth.Every}}},
		JWT:  &auth.JWT{Secret: strings.Repeat("a secret ", 5)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return func(c *httpapi.Config) {
		c.Auth, c.RefusalRate = a, manyRefusals
		c.Monitor = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	}
}

// What anybody may see. Documentation has files of its own.
func isOpen(path string) bool {
	switch path {
	case "/", "/healthz", "/readyz", "/openapi.json", "/docs":
		return true
	}
	return strings.HasPrefix(path, "/docs/")
}

// FuzzTargets looks for a way around the credentials.
func FuzzTargets(f *testing.F) {
	v := newVictim(f, guard(f))
	for i, target := range detours(v) {
		f.Add(methods[i%len(methods)], target)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		v.wantRefusal(t, newRequest(method, target, ""))
	})
}

// FuzzCursors writes cursors as the lists do, with something else inside.
func FuzzCursors(f *testing.F) {
	v := newVictim(f)
	for _, inside := range []string{
		`{"q":"default","t":"scheduled","i":"order-17","s":1e300}`, `{"q":"default","t":"pending","i":"x","r":-9223372036854775808}`,
		`{"q":"default","t":"pending","i":"pending","r":9223372036854775807}`, `{"q":"low","t":"canceled","i":"","s":-1}`, `{"q":"default","t":"failed","i":"a","s":1e-320}`,
		`{}`, `null`, `[]`, `{"q":1}`, `hourly-crawl`, `..`, ``, "\x00", "\xff",
	} {
		f.Add(inside, uint8(1))
	}
	f.Fuzz(func(t *testing.T, inside string, limit uint8) {
		for _, list := range []string{"/v1/tasks", "/v1/tasks?type=echo", "/v1/tasks?queue=default&state=pending", "/v1/schedules"} {
			u := must(url.Parse(list))
			query := u.Query()
			query.Set("cursor", base64.RawURLEncoding.EncodeToString([]byte(inside)))
			query.Set("limit", strconv.Itoa(int(limit)))
			u.RawQuery = query.Encode()
			answer := v.send(t, newRequest("GET", u.String(), ""))
			var page struct{ Items []any }
			if err := json.Unmarshal(answer.Body.Bytes(), &page); err != nil || len(page.Items) > int(limit) {
				t.Errorf("%s: %d items, %v", u, len(page.Items), err)
			}
		}
	})
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// FuzzConditions: no entity tag but that of the schedule lets a change pass that was made for a certain one.
func FuzzConditions(f *testing.F) {
	v := newVictim(f)
	for _, value := range append(hostileHeaders["If-Match"], `"r1`, `r1"`, `"x,"r1"`, `"r1"x`, `W/"r1", "r01"`, `""`, `"r1";q=1`, "\t*") {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		if !httpguts.ValidHeaderFieldValue(tag) || strings.TrimSpace(tag) == "" {
			return
		}
		for _, operation := range []string{"put-schedule", "patch-schedule", "delete-schedule", "pause-schedule"} {
			answer := v.send(t, v.request(attack{operation: operation, header: "If-Match", value: tag}))
			if passed := answer.Code < 300; passed && !strings.Contains(tag, `"r1"`) && !strings.Contains(tag, "*") || !passed && answer.Code != http.StatusPreconditionFailed {
				t.Errorf("%s if it matches %q: %d %s", operation, tag, answer.Code, answer.Body)
			}
		}
		answer := v.send(t, v.request(attack{operation: "put-schedule", header: "If-None-Match", value: tag}))
		if refused := answer.Code == http.StatusPreconditionFailed; refused && !strings.Contains(tag, `"r1"`) && !strings.Contains(tag, "*") {
			t.Errorf("put if none matches %q: %d %s", tag, answer.Code, answer.Body)
		}
	})
}

// The targets reach every operation of the document, with each part of a request that it reads.
func TestFuzzTargetsReachEverything(t *testing.T) {
	v := newVictim(t)
	reached := make(map[string]bool)
	for part, seeds := range map[string][]attack{"body": bodySeeds(v), "path": pathSeeds(v), "query": querySeeds(v), "header": headerSeeds(v)} {
		for _, a := range seeds {
			r := v.request(a)
			if r == nil {
				continue
			}
			op := v.operation(a)
			if found, ok := v.document.Find(r.Method, r.URL.Path); !ok || found.ID != op.ID {
				continue
			}
			answer := v.send(t, r)
			if answer.Code == http.StatusMethodNotAllowed || strings.Contains(answer.Body.String(), "nothing at this path") {
				t.Errorf("%s %s is in the document, and not there: %s", r.Method, r.URL.Path, answer.Body)
			}
			reached[op.ID+" "+part] = true
			for name := range r.URL.Query() {
				reached[op.ID+" query "+name] = true
			}
			for name := range r.Header {
				reached[op.ID+" header "+name] = true
			}
		}
	}
	for _, op := range v.document.Operations {
		want := []string{op.ID + " body", op.ID + " path", op.ID + " query", op.ID + " header"}
		for _, p := range op.Parameters {
			switch p.In {
			case "query":
				want = append(want, op.ID+" query "+p.Name)
			case "header":
				want = append(want, op.ID+" header "+http.CanonicalHeaderKey(p.Name))
			}
		}
		for _, name := range headers {
			want = append(want, op.ID+" header "+name)
		}
		for _, part := range want {
			if !reached[part] {
				t.Errorf("no target reaches %s", part)
			}
		}
	}
}
