package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/ratelimit"
	"github.com/backbeat-go/backbeat/internal/redisstore"
)

// fiveAnHour gains a token in twelve minutes, which is never while a test runs.
var fiveAnHour = ratelimit.Rate{Limit: 5, Period: time.Hour, Burst: 5}

// limited holds callers to a rate in the Redis of a server.
func limited(rdb *redis.Client, rate ratelimit.Rate) func(*httpapi.Config) {
	return func(c *httpapi.Config) { c.RateLimit, c.Buckets = rate, redisstore.NewBuckets(rdb) }
}

// wantRefused wants an answer to be 429 and to say when to come again: after that long at most.
func wantRefused(t *testing.T, a answer, most int) {
	t.Helper()
	a.problem(t)
	after, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != http.StatusTooManyRequests || err != nil || after < 1 || after > most || after < most-60 {
		t.Errorf("%d, Retry-After %q, want at most %d", a.status, a.header.Get("Retry-After"), most)
	}
}

func batchOf(n int) string {
	return `{"tasks":[` + strings.TrimSuffix(strings.Repeat(`{"type":"echo"},`, n), ",") + `]}`
}

func TestLimitIsSharedByAPIs(t *testing.T) {
	_, server := serveBroker(t)
	serve := func() string {
		rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
		return serveRedis(t, rdb, limited(rdb, fiveAnHour))
	}
	bases := []string{serve(), serve()}
	var mu sync.Mutex
	statuses := make(map[int]int)
	var asking sync.WaitGroup
	for i := range 40 {
		asking.Go(func() {
			got := ask(t, "GET", bases[i%2]+"/v1/tasks", "")
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	asking.Wait()
	if statuses[200] != 5 || statuses[429] != 35 {
		t.Errorf("statuses %v, want 5 of 200 and 35 of 429", statuses)
	}
	wantRefused(t, ask(t, "GET", bases[0]+"/v1/nowhere", ""), 720)
}

func TestLimitOfEachPrincipal(t *testing.T) {
	a, err := auth.New(auth.Config{Keys: []auth.Key{
		{Name: "ann", Secret: "secret-of-ann", Scopes: []string{"*"}}, {Name: "bob", Secret: "secret-of-bob", Scopes: []string{"*"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	_, server := serveBroker(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	base := serveRedis(t, rdb, limited(rdb, fiveAnHour), func(c *httpapi.Config) { c.Auth = a })
	get := func(who string) answer {
		return ask(t, "GET", base+"/v1/tasks", "", "Authorization", "Bearer secret-of-"+who)
	}
	for left := 4; left >= 0; left-- {
		if got := get("ann"); got.status != 200 || !strings.HasPrefix(got.header.Get("RateLimit"), fmt.Sprintf(`"default";r=%d;t=`, left)) {
			t.Errorf("%d, RateLimit: %s, want %d left", got.status, got.header.Get("RateLimit"), left)
		}
	}
	wantRefused(t, get("ann"), 720)
	if got := get("bob"); got.status != 200 {
		t.Errorf("bob pays for ann: %d", got.status)
	}
	if got := get("eve"); got.status != 401 || got.header.Get("RateLimit") != "" {
		t.Errorf("nobody: %d, RateLimit: %s", got.status, got.header.Get("RateLimit"))
	}
}

func TestBatchCostsWhatItsTasksWould(t *testing.T) {
	_, server := serveBroker(t)
	for _, tt := range []struct {
		before int // requests made before
		size   int
		again  int // Retry-After; 0 if it is taken
		left   int
	}{{0, 5, 0, 0}, {0, 3, 0, 2}, {2, 3, 0, 0}, {2, 4, 2 * 720, 2}, {0, 20, 0, 0}, {1, 20, 2 * 720, 3}, {5, 1, 720, 0}} {
		name := fmt.Sprint(tt.size, " after ", tt.before)
		t.Run(name, func(t *testing.T) {
			rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
			base := serveRedis(t, rdb, limited(rdb, fiveAnHour))
			if err := rdb.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			for range tt.before {
				want(t, 200, "GET", base+"/v1/tasks", "")
			}
			got := ask(t, "POST", base+"/v1/tasks/batch", batchOf(tt.size))
			made := rdb.LLen(t.Context(), "asynq:{default}:pending").Val()
			if tt.again > 0 {
				wantRefused(t, got, tt.again)
				tt.size = 0
			} else if got.status != 200 {
				t.Errorf("%d %s", got.status, got.body)
			}
			if made != int64(tt.size) || !strings.HasPrefix(got.header.Get("RateLimit"), fmt.Sprintf(`"default";r=%d;`, tt.left)) {
				t.Errorf("%d tasks, RateLimit: %s, want %d left", made, got.header.Get("RateLimit"), tt.left)
			}
		})
	}
}

// A batch larger than the burst is waited for afterwards, for as long as it would have taken.
func TestLargeBatchLeavesADebt(t *testing.T) {
	_, server := serveBroker(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	base := serveRedis(t, rdb, limited(rdb, fiveAnHour))
	want(t, 200, "POST", base+"/v1/tasks/batch", batchOf(100))
	wantRefused(t, ask(t, "GET", base+"/v1/tasks", ""), 96*720)
}

func TestFaultyBatchCostsOne(t *testing.T) {
	_, server := serveBroker(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	base := serveRedis(t, rdb, limited(rdb, fiveAnHour))
	for range 5 {
		if got := ask(t, "POST", base+"/v1/tasks/batch", `{"tasks":[`); got.status != 400 {
			t.Errorf("%d", got.status)
		}
	}
	wantRefused(t, ask(t, "POST", base+"/v1/tasks/batch", `{"tasks":[`), 720)
}

// fixed are buckets of which the test says what they hold.
type fixed struct {
	decision ratelimit.Decision
	err      error

	mu      sync.Mutex
	callers []string
}

func (f *fixed) Take(_ context.Context, caller string, _ ratelimit.Rate, _ ratelimit.Charge) (ratelimit.Decision, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.callers = append(f.callers, caller)
	return f.decision, f.err
}

func TestRateLimitHeaders(t *testing.T) {
	perSecond := ratelimit.Rate{Limit: 100, Period: time.Second, Burst: 200}
	for _, tt := range []struct {
		rate                 ratelimit.Rate
		decision             ratelimit.Decision
		policy, limit, again string
	}{
		{perSecond, ratelimit.Decision{Allowed: true, Tokens: 199}, `"default";q=100;w=1`, `"default";r=199;t=1`, ""},
		{perSecond, ratelimit.Decision{Allowed: true, Tokens: 0.99}, `"default";q=100;w=1`, `"default";r=0;t=2`, ""},
		{perSecond, ratelimit.Decision{Tokens: 0.99}, `"default";q=100;w=1`, `"default";r=0;t=2`, "1"},
		{perSecond, ratelimit.Decision{Tokens: -700}, `"default";q=100;w=1`, `"default";r=0;t=9`, "8"},
		{fiveAnHour, ratelimit.Decision{Allowed: true, Tokens: 4}, `"default";q=5;w=3600`, `"default";r=4;t=720`, ""},
		{fiveAnHour, ratelimit.Decision{Tokens: 0.5}, `"default";q=5;w=3600`, `"default";r=0;t=3240`, "360"},
		{ratelimit.Rate{Limit: 6000, Period: time.Minute, Burst: 6000}, ratelimit.Decision{Allowed: true, Tokens: 0}, `"default";q=6000;w=60`, `"default";r=0;t=60`, ""},
	} {
		base := serve(t, &stub{}, func(c *httpapi.Config) { c.RateLimit, c.Buckets = tt.rate, &fixed{decision: tt.decision} })
		got := ask(t, "GET", base+"/v1/tasks", "")
		h := got.header
		if h.Get("RateLimit-Policy") != tt.policy || h.Get("RateLimit") != tt.limit || h.Get("Retry-After") != tt.again {
			t.Errorf("%+v: %q, %q, Retry-After %q", tt.decision, h.Get("RateLimit-Policy"), h.Get("RateLimit"), h.Get("Retry-After"))
		}
		if (got.status == 429) == tt.decision.Allowed {
			t.Errorf("%+v: %d", tt.decision, got.status)
		}
	}
}

func TestWhatIsNotCounted(t *testing.T) {
	empty := &fixed{}
	base := serve(t, &stub{}, func(c *httpapi.Config) { c.RateLimit, c.Buckets = fiveAnHour, empty })
	for _, path := range []string{"/", "/healthz", "/readyz", "/openapi.json", "/docs"} {
		if got := ask(t, "GET", base+path, ""); got.status != 200 || got.header.Get("RateLimit") != "" {
			t.Errorf("%s: %d, RateLimit: %s", path, got.status, got.header.Get("RateLimit"))
		}
	}
	if len(empty.callers) > 0 {
		t.Errorf("asked for %q", empty.callers)
	}
	for _, call := range []string{"GET /v1/tasks", "POST /v1/tasks", "GET /v1/task-types", "GET /monitor", "GET /nowhere", "PUT /v1/tasks"} {
		method, path, _ := strings.Cut(call, " ")
		if got := ask(t, method, base+path, ""); got.status != 429 {
			t.Errorf("%s: %d", call, got.status)
		}
	}
	free := serve(t, &stub{})
	if got := ask(t, "GET", free+"/v1/tasks", ""); got.status != 200 || got.header.Get("RateLimit-Policy") != "" {
		t.Errorf("without a limit: %d, %v", got.status, got.header)
	}
}

// An API that says no because it cannot count would be one more thing that breaks with Redis.
func TestNoLimitWithoutRedis(t *testing.T) {
	base := serve(t, &stub{}, func(c *httpapi.Config) { c.RateLimit, c.Buckets = fiveAnHour, &fixed{err: errors.New("gone")} })
	if got := ask(t, "POST", base+"/v1/tasks/batch", batchOf(2)); got.status != 200 || got.header.Get("RateLimit") != "" {
		t.Errorf("%d, RateLimit: %s", got.status, got.header.Get("RateLimit"))
	}
	_, server := serveBroker(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
	base = serveRedis(t, rdb, limited(rdb, fiveAnHour))
	server.Kill()
	for range 6 { // one more than the limit
		want(t, 200, "GET", base+"/v1/task-types", "")
		want(t, 503, "GET", base+"/v1/tasks", "")
	}
}

func TestCallersByAddress(t *testing.T) {
	seen := &fixed{decision: ratelimit.Decision{Allowed: true}}
	handler := newHandler(t, func(c *httpapi.Config) { c.RateLimit, c.Buckets = fiveAnHour, seen })
	for _, from := range []string{
		"192.0.2.1:1", "192.0.2.1:2", "[::ffff:192.0.2.1]:3", "192.0.2.2:1", "[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff::2]:1", "[2001:db8:1:3::1]:1",
		"[fe80::1%eth0]:1", "@",
	} {
		req := httptest.NewRequest(http.MethodGet, "/v1/tasks", nil)
		req.RemoteAddr = from
		handler.ServeHTTP(httptest.NewRecorder(), req)
	}
	want := "192.0.2.1 192.0.2.1 192.0.2.1 192.0.2.2 2001:db8:1:2::/64 2001:db8:1:2::/64 2001:db8:1:3::/64 fe80::/64 @"
	if got := strings.ReplaceAll(strings.Join(seen.callers, " "), "address:", ""); got != want {
		t.Errorf("callers %s, want %s", got, want)
	}
}

func TestOpenAPITellsOfTheLimit(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct{ Responses map[string]any }
	}
	if err := json.Unmarshal([]byte(ask(t, "GET", serve(t, &stub{})+"/openapi.json", "").body), &doc); err != nil {
		t.Fatal(err)
	}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			if _, told := op.Responses["429"]; told == (path == "/healthz" || path == "/readyz") {
				t.Errorf("%s %s: 429 is told: %v", method, path, told)
			}
		}
	}
}
