package program

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backbeat-go/backbeat/internal/httpapi"
)

// Handler returns the API with all that belongs to it, such as the documentation and the dashboard, for a server of the
// caller's own. An App whose Handler was taken before Run does not listen at api.addr. Requests get 503 unless the App runs;
// when it ends, it waits for those in progress as it would in a server of its own.
//
// Where the API is not at the root of the server, say so by Prefix. Time-outs are the server's: it should allow 90 s for
// requests that wait for tasks.
func (a *App) Handler() http.Handler {
	a.mount.taken.Store(true)
	return a.mount
}

// mount serves the API in a server that is not the program's.
type mount struct {
	taken atomic.Bool

	mu       sync.Mutex
	api      http.Handler   // httpapi.Unavailable unless it is open
	serving  sync.WaitGroup // one for each request to an API that is open
	isOpen   bool
	requests context.Context // ends those in progress
	end      context.CancelFunc
}

func newMount() *mount {
	m := &mount{api: httpapi.Unavailable()}
	m.requests, m.end = context.WithCancel(context.Background())
	return m
}

// ServeHTTP answers with the API, if it runs.
func (m *mount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	api, leave := m.enter()
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(m.requests, cancel)()
	api.ServeHTTP(w, r.WithContext(ctx))
}

func (m *mount) enter() (api http.Handler, leave func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.isOpen {
		return m.api, func() {}
	}
	m.serving.Add(1)
	return m.api, m.serving.Done
}

func (m *mount) set(api http.Handler, isOpen bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.api, m.isOpen = api, isOpen
}

func (m *mount) open(api http.Handler) { m.set(api, true) }

// close lets requests in progress end, as long as a server of the program's own would.
func (m *mount) close() {
	m.set(httpapi.Unavailable(), false)
	defer time.AfterFunc(shortRequest, m.end).Stop()
	defer m.end()
	served := make(chan struct{})
	go func() { m.serving.Wait(); close(served) }()
	select {
	case <-served:
	case <-time.After(shutdownGrace):
	}
}
