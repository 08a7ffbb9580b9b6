package client_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fake is an API that answers as a test has it, for what the real one does not do at will.
type fake struct {
	*httptest.Server
	mu      sync.Mutex
	seen    []request
	answers []http.HandlerFunc
}

// request is what a fake was asked for.
type request struct {
	method, path, query, body string
	header                    http.Header
}

func newFake(t *testing.T) *fake {
	f := &fake{}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// then gives the next request to a handler. The last handler gets all that follow.
func (f *fake) then(h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = append(f.answers, h)
}

func (f *fake) answer(status int, body string, header ...string) {
	f.then(func(w http.ResponseWriter, _ *http.Request) {
		for _, line := range header {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

// lose closes the connection instead of answering.
func (f *fake) lose() { f.then(hangUp) }

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	f.mu.Lock()
	f.seen = append(f.seen, request{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Clone()})
	answer := f.answers[min(len(f.seen), len(f.answers))-1]
	f.mu.Unlock()
	answer(w, r)
}

func (f *fake) requests() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]request(nil), f.seen...)
}

// lossyProxy passes requests on to the real API, but loses the answers to the first ones: what they asked for is done.
func lossyProxy(t *testing.T, losses int) *httptest.Server {
	api, err := http.NewRequest(http.MethodGet, server, nil)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RequestURI = ""
		r.URL.Scheme, r.URL.Host = api.URL.Scheme, api.URL.Host
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		mu.Lock()
		lost := losses > 0
		losses--
		mu.Unlock()
		if lost {
			io.Copy(io.Discard, res.Body)
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
		w.WriteHeader(res.StatusCode)
		io.Copy(w, res.Body)
	}))
	t.Cleanup(s.Close)
	return s
}
