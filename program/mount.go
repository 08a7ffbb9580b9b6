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
	api      http.Handler // httpapi.Unavailable unless it is open
	isOpen   bool
	serving  int             // requests in progress to an API that is open
	served   chan struct{}   // closed when it is no longer open and there are none
	requests context.Context // ends those in progress
	end      context.CancelFunc
}

func newMount() *mount {
	m := &mount{api: httpapi.Unavailable(), served: make(chan struct{})}
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
	m.serving++
	return m.api, m.leave
}

func (m *mount) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.serving--; m.serving == 0 && !m.isOpen {
		close(m.served)
	}
}

func (m *mount) open(api http.Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.api, m.isOpen = api, true
}

// close lets requests in progress end, as shutdown does for a server of the program's own. It is called once, after open.
func (m *mount) close(ctx context.Context) {
	m.refuse()
	defer time.AfterFunc(shortRequest, m.end).Stop()
	defer m.end()
	ctx, cancel := context.WithTimeout(ctx, requestGrace)
	defer cancel()
	select {
	case <-m.served:
	case <-ctx.Done():
	}
}

// refuse lets no more requests in.
func (m *mount) refuse() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.api, m.isOpen = httpapi.Unavailable(), false
	if m.serving == 0 {
		close(m.served)
	}
}
