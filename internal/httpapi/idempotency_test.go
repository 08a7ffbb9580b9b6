package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/redistest"
)

func idOf(t *testing.T, a answer) string {
	t.Helper()
	var doc struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil || doc.ID == "" {
		t.Fatalf("%d: no task in %q", a.status, a.body)
	}
	return doc.ID
}

// wantReplay wants the answer to tell of the task as one that was made before.
func wantReplay(t *testing.T, a answer, id string) {
	t.Helper()
	if a.status != http.StatusOK || a.header.Get("Idempotency-Replayed") != "true" || a.header.Get("Location") != "/v1/tasks/"+id || idOf(t, a) != id {
		t.Errorf("want a replay of %s: %d %v %s", id, a.status, a.header, a.body)
	}
}

func wantPending(t *testing.T, base string, n float64) {
	t.Helper()
	if got := want(t, 200, "GET", base+"/v1/queues/default", "")["pending"]; got != n {
		t.Errorf("%v tasks are pending, want %v", got, n)
	}
}

func TestManyPostsWithOneKeyMakeOneTask(t *testing.T) {
	first, server := serveBroker(t)
	bases := []string{first, serveRedis(t, redis.NewClient(&redis.Options{Addr: server.Addr()}))}
	var fresh atomic.Int32
	var ids sync.Map
	var posting sync.WaitGroup
	for i := range 500 {
		posting.Go(func() {
			got := ask(t, "POST", bases[i%2]+"/v1/tasks", `{"type":"echo"}`, "Idempotency-Key", "order-17")
			ids.Store(idOf(t, got), true)
			switch replayed := got.header.Get("Idempotency-Replayed"); {
			case got.status == http.StatusAccepted && replayed == "":
				fresh.Add(1)
			case got.status != http.StatusOK || replayed != "true":
				t.Errorf("%d, Idempotency-Replayed %q: %s", got.status, replayed, got.body)
			}
		})
	}
	posting.Wait()
	different := 0
	ids.Range(func(any, any) bool { different++; return true })
	if fresh.Load() != 1 || different != 1 {
		t.Errorf("%d posts made a task, %d ids were answered", fresh.Load(), different)
	}
	wantPending(t, bases[0], 1)
}

// dying is a connection to Redis that ends, once told to, when a task is to be enqueued.
type dying struct{ now atomic.Bool }

func (d *dying) DialHook(next redis.DialHook) redis.DialHook { return next }

func (d *dying) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (d *dying) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if args := cmd.Args(); d.now.Load() && len(args) > 3 && strings.HasSuffix(fmt.Sprint(args[3]), ":pending") {
			err := errors.New("gone between claim and enqueue")
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

func TestKeyOfAnAPIThatDied(t *testing.T) {
	server := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	end := &dying{}
	rdb.AddHook(end)
	dead, alive := serveRedis(t, rdb), serveRedis(t, redis.NewClient(&redis.Options{Addr: server.Addr()}))
	for _, body := range []string{`{"type":"echo"}`, `{"type":"echo","id":"order-17"}`} {
		key := fmt.Sprint(len(body))
		end.now.Store(true)
		if got := ask(t, "POST", dead+"/v1/tasks", body, "Idempotency-Key", key); got.status != 503 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		end.now.Store(false)
		got := ask(t, "POST", alive+"/v1/tasks", body, "Idempotency-Key", key)
		if got.status != 202 || got.header.Get("Idempotency-Replayed") != "" {
			t.Fatalf("%d %s", got.status, got.body)
		}
		wantReplay(t, ask(t, "POST", dead+"/v1/tasks", body, "Idempotency-Key", key), idOf(t, got))
	}
	wantPending(t, alive, 2)
}

func TestOneKeyOneRequest(t *testing.T) {
	base, _ := serveBroker(t)
	post := func(body string) answer { return ask(t, "POST", base+"/v1/tasks", body, "Idempotency-Key", "k") }
	id := idOf(t, post(`{"type":"echo","payload":{"n":1,"m":[1.0,"a"]},"delay":"1h"}`))
	wantReplay(t, post("{\"delay\":\"1h\", \"payload\":\n{\"m\":[1.0,\"\\u0061\"],\"n\":1},\"type\":\"echo\"}"), id)
	for _, body := range []string{`{"type":"echo"}`, `{"type":"echo","payload":{"n":2,"m":[1.0,"a"]},"delay":"1h"}`} {
		p := post(body).problem(t)
		if p.Status != 422 || len(p.Errors) != 1 || p.Errors[0].Location != "header.Idempotency-Key" {
			t.Errorf("another request under the key: %+v", p)
		}
	}
	if p := post(`{"type":"echo","queue":"none"}`).problem(t); p.Status != 422 || p.Errors[0].Location != "body.queue" {
		t.Errorf("a request at fault: %+v", p)
	}
	if p := post(`{"type":`).problem(t); p.Status != 400 {
		t.Errorf("what is no JSON: %+v", p)
	}
	want(t, 202, "POST", base+"/v1/tasks", `{"type":"echo"}`) // without a key every request is one of its own
	want(t, 202, "POST", base+"/v1/tasks", `{"type":"echo"}`)
}

func TestKeysOfPrincipals(t *testing.T) {
	a, err := auth.New(auth.Config{Keys: []auth.Key{
		{Name: "ann", Secret: "secret-of-ann", Scopes: []string{"*"}}, {Name: "bob", Secret: "secret-of-bob", Scopes: []string{"*"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	base, _ := serveBroker(t, func(c *httpapi.Config) { c.Auth = a })
	post := func(who, body string) answer {
		return ask(t, "POST", base+"/v1/tasks", body, "Idempotency-Key", "k", "Authorization", "Bearer secret-of-"+who)
	}
	first := post("ann", `{"type":"echo"}`)
	if got := post("bob", `{"type":"echo","queue":"low"}`); got.status != 202 || idOf(t, got) == idOf(t, first) {
		t.Errorf("bob gets ann's: %d %s", got.status, got.body)
	}
	wantReplay(t, post("ann", `{"type":"echo"}`), idOf(t, first))
}

func TestFormsOfAKey(t *testing.T) {
	base, _ := serveBroker(t)
	post := func(keys ...string) answer {
		t.Helper()
		req := httptest.NewRequestWithContext(t.Context(), "POST", base+"/v1/tasks", strings.NewReader(`{"type":"echo"}`))
		req.RequestURI = ""
		req.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": keys}
		return send(t, req)
	}
	long := strings.Repeat("k", 255)
	for _, same := range [][]string{
		{`8e03978e-40d5-43dd-bc93-6894a57f9324`, `"8e03978e-40d5-43dd-bc93-6894a57f9324"`},
		{`a"b\c`, `"a\"b\\c"`},
		{`!~,;=`, `"!~,;="`},
		{long, `"` + long + `"`},
	} {
		first := post(same[0])
		if first.status != 202 {
			t.Fatalf("%s: %d %s", same[0], first.status, first.body)
		}
		wantReplay(t, post(same[1]), idOf(t, first))
	}
	for _, bad := range [][]string{
		{""}, {`""`}, {`"`}, {`"a`}, {`"a"b"`}, {`"a";x`}, {`"a\b"`}, {`"a\"`}, {`"a b"`}, {"a b"}, {"a\tb"}, {"ü"}, {`"ü"`},
		{long + "k"}, {`"` + long + `k"`}, {"a", "b"}, {"a", "a"}, {"", "a"},
	} {
		p := post(bad...).problem(t)
		if p.Status != 422 || len(p.Errors) != 1 || p.Errors[0].Location != "header.Idempotency-Key" {
			t.Errorf("%q: %+v", bad, p)
		}
	}
	wantPending(t, base, 4)
}

func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{"k", `"k"`, `"a\"b"`, `"`, `"\`, "", "\x00", "ü", `"a";b=c`, strings.Repeat("k", 256)} {
		f.Add(seed)
	}
	handler := newHandler(f)
	f.Fuzz(func(t *testing.T, key string) {
		req := httptest.NewRequest(http.MethodPost, "/v1/tasks", strings.NewReader(`{"type":"echo"}`))
		req.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {key}}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, req)
		if answer.Code != http.StatusAccepted && answer.Code != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d %s", key, answer.Code, answer.Body)
		}
	})
}
