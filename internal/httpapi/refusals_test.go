package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/ratelimit"
)

// manyRefusals is for tests that send bad credentials in masses.
var manyRefusals = ratelimit.Rate{Limit: ratelimit.Max, Period: time.Second, Burst: ratelimit.Max}

// callFrom makes a call as from an address, with credentials if there are any.
func callFrom(handler http.Handler, address, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/v1/tasks", http.NoBody)
	r.RemoteAddr = address
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestBadCredentialsAreLimitedByAddress(t *testing.T) {
	a, err := auth.New(auth.Config{Keys: []auth.Key{
		{Name: "known", Secret: "key-known", Scopes: []string{"*"}}, {Name: "new", Secret: "key-new", Scopes: []string{"*"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	const burst = 5
	handler := newHandler(t, func(c *httpapi.Config) {
		c.Auth, c.RefusalRate = a, ratelimit.Rate{Limit: 1, Period: time.Hour, Burst: burst}
	})
	expect := func(what, address, authorization string, status int) {
		t.Helper()
		w := callFrom(handler, address, authorization)
		if w.Code != status {
			t.Errorf("%s: %d, want %d: %s", what, w.Code, status, w.Body)
		}
		again, _ := strconv.Atoi(w.Header().Get("Retry-After"))
		if (again > 0) != (status == http.StatusTooManyRequests) {
			t.Errorf("%s: Retry-After %q", what, w.Header().Get("Retry-After"))
		}
	}
	const guesser, other = "192.0.2.1:1000", "192.0.2.2:1000"
	expect("a good key", guesser, "Bearer key-known", 200)
	for i := range burst {
		expect("a guess", guesser, fmt.Sprint("Bearer guess-", i), 401)
	}
	expect("one guess more", "192.0.2.1:2000", "Bearer guess-x", 429)
	expect("a guess that is right", guesser, "Bearer key-new", 429)
	expect("a guess by Basic", guesser, "Basic bWU6Z3Vlc3M=", 429)
	expect("a key that was good before", guesser, "Bearer key-known", 200)
	expect("no credentials", guesser, "", 401)
	expect("another address", other, "Bearer key-new", 200)
	expect("the same key again, from the first address", guesser, "Bearer key-new", 200)

	for i := range burst {
		expect("a guess over IPv6", fmt.Sprintf("[2001:db8::%d]:1", i), "Bearer guess", 401)
	}
	expect("another address of the same network", "[2001:db8::ffff]:1", "Bearer guess", 429)
	expect("another network", "[2001:db8:0:1::1]:1", "Bearer guess", 401)
}

func TestNoCredentialsAreNoGuess(t *testing.T) {
	a, err := auth.New(auth.Config{Keys: []auth.Key{{Name: "all", Secret: "key-of-all", Scopes: []string{"*"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	handler := newHandler(t, func(c *httpapi.Config) { c.Auth = a })
	for range 300 {
		callFrom(handler, "192.0.2.1:1", "")
	}
	if w := callFrom(handler, "192.0.2.1:1", "Bearer key-of-all"); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
