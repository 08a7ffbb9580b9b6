package apptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// traffic is an API and a worker that reach a Redis, which survives being killed, through a link; and callers that hand
// in calls to a hook.
type traffic struct {
	*program // the API
	worker   *program
	redis    *redistest.Server
	url      string // of Redis, by way of the link
	link     *redistest.Link
	hook     *countingHook

	held    map[string]int // how often each is to be called
	callers sync.WaitGroup
	enough  chan struct{} // closed when the callers are to end

	mu       sync.Mutex
	accepted []string
}

func newTraffic(t *testing.T, env ...string) *traffic {
	t.Helper()
	server := redistest.Start(t, redistest.WithAOF())
	link := redistest.StartLink(t, server.Addr())
	tr := &traffic{
		redis: server, url: "redis://" + link.Addr() + "/0", link: link, hook: newCountingHook(t), enough: make(chan struct{}),
		held: make(map[string]int),
	}
	tr.program = start(t, "api", "BACKBEAT_REDIS_URL="+tr.url)
	tr.startWorker(env...)
	return tr
}

// startWorker starts a worker in the place of the one before.
func (tr *traffic) startWorker(env ...string) {
	tr.worker = start(tr.t, "worker", append(env, "BACKBEAT_REDIS_URL="+tr.url, allowLoopback)...)
}

// pass restores the link, and closes the connections that have lost something.
func (tr *traffic) pass() {
	tr.link.Cut()
	tr.link.Mend()
}

// hold hands in tasks that run until the hook lets go of them.
func (tr *traffic) hold(names ...string) {
	for _, name := range names {
		tr.held[name] = 1
		tr.post(fmt.Sprintf(`{"id":%q,"type":"http.request","payload":{"url":%q,"timeout":"2m"},"timeout":"2m","max_retries":0}`,
			name, tr.hook.hold(name)))
		tr.hook.waitTask(tr.t, name, 1)
	}
}

// load hands in quick tasks from so many callers until stopLoad. What is not accepted is no concern of theirs.
func (tr *traffic) load(callers int) {
	for range callers {
		tr.callers.Go(func() {
			for ; !tr.isEnough(); nap() {
				tr.offer()
			}
		})
	}
}

func (tr *traffic) isEnough() bool {
	select {
	case <-tr.enough:
		return true
	default:
		return false
	}
}

func (tr *traffic) quickTask() string {
	return fmt.Sprintf(`{"type":"http.request","payload":{"url":%q},"max_retries":0}`, tr.hook.URL)
}

func (tr *traffic) offer() {
	a := tr.call("POST", "/v1/tasks", tr.quickTask())
	switch a.Status {
	case http.StatusAccepted:
		var accepted struct{ ID string }
		if err := json.Unmarshal(a.Body, &accepted); err != nil {
			tr.t.Errorf("%s: %v", a.Body, err)
		}
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.accepted = append(tr.accepted, accepted.ID)
	case http.StatusServiceUnavailable:
	default:
		tr.t.Errorf("%d %s", a.Status, a.Body)
	}
}

// pileUp hands in n quick tasks that no worker takes before all are there.
func (tr *traffic) pileUp(n int) {
	tr.t.Helper()
	tr.call("POST", "/v1/queues/default/pause", "")
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range n / 8 {
				tr.offer()
			}
		})
	}
	callers.Wait()
	tr.call("POST", "/v1/queues/default/resume", "")
}

func (tr *traffic) stopLoad() {
	close(tr.enough)
	tr.callers.Wait()
}

// checkResumes checks that work flows again after Redis' return, before any lease could have ended.
func (tr *traffic) checkResumes(returned time.Time) {
	tr.t.Helper()
	tr.hook.waitCalls(tr.t, tr.hook.total()+20)
	if late := time.Since(returned); late > 25*time.Second {
		tr.t.Errorf("work went on %s after redis was back", late)
	}
}

// checkLoad checks that each task that was accepted has run, and that none has run twice. It returns how many of them
// were not done with their first attempt, because the answer to a fetch was lost.
func (tr *traffic) checkLoad() (again int) {
	tr.t.Helper()
	for _, id := range tr.accepted {
		got := tr.waitLong(id)
		if got["state"] != "succeeded" {
			tr.t.Errorf("%s is %v: %v", id, got["state"], got["error"])
		}
		if got["attempt"] != 1.0 {
			again++
		}
	}
	tr.hook.checkCalls(tr.t, tr.held)
	return again
}

// checkHeld checks that each held task has succeeded in the attempt.
func (tr *traffic) checkHeld(attempt int) {
	tr.t.Helper()
	for id := range tr.held {
		tr.held[id] = attempt
		if got := tr.waitLong(id); got["state"] != "succeeded" || got["attempt"] != float64(attempt) {
			tr.t.Errorf("held task %s is %v after %v attempts: %v", id, got["state"], got["attempt"], got["error"])
		}
	}
}

// waitLong waits longer than one call can.
func (tr *traffic) waitLong(id string) document {
	var got document
	for range 4 {
		if got = tr.wait(id); got["finished_at"] != nil {
			break
		}
	}
	return got
}
