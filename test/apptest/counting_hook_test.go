package apptest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// countingHook is a web server that counts by whom it is called, and keeps callers waiting who ask for it.
type countingHook struct {
	*httptest.Server

	mu     sync.Mutex
	calls  map[string]int // by task
	sum    int
	called chan struct{} // closed, and made anew, at each call
	held   map[string]chan struct{}
}

func newCountingHook(t *testing.T) *countingHook {
	h := &countingHook{calls: make(map[string]int), called: make(chan struct{}), held: make(map[string]chan struct{})}
	h.Server = httptest.NewServer(h)
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return h
}

func (h *countingHook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then is it noticed that the caller has gone
	held := h.count(r)
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *countingHook) count(r *http.Request) (held chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls[r.Header.Get("X-Backbeat-Task-Id")]++
	h.sum++
	close(h.called)
	h.called = make(chan struct{})
	return h.held[r.URL.Path]
}

// hold returns a URL whose callers wait until release.
func (h *countingHook) hold(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held["/"+name] = make(chan struct{})
	return h.URL + "/" + name
}

func (h *countingHook) release(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.held["/"+name])
}

func (h *countingHook) total() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sum
}

// waitCalls waits until there have been so many calls.
func (h *countingHook) waitCalls(t *testing.T, n int) {
	t.Helper()
	h.waitUntil(t, func() bool { return h.sum >= n })
}

// waitTask waits until the task has called n times.
func (h *countingHook) waitTask(t *testing.T, id string, n int) {
	t.Helper()
	h.waitUntil(t, func() bool { return h.calls[id] >= n })
}

func (h *countingHook) waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	for {
		h.mu.Lock()
		done, called := ok(), h.called
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-called:
		case <-late:
			t.Fatalf("after %s there have been %d calls", patience, h.total())
		}
	}
}

// checkCalls checks that each task has called once, but for the exceptions.
func (h *countingHook) checkCalls(t *testing.T, exceptions map[string]int) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, n := range h.calls {
		want, ok := exceptions[id]
		if !ok {
			want = 1
		}
		if n != want {
			t.Errorf("%s called %d times, want %d", id, n, want)
		}
	}
}
