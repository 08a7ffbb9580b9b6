package apptest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// The address of Redis leads to another server, which is the primary now. Connections that are open stay where they are: at
// what has become a replica, which refuses writes.
func TestFailoverBehindOneAddress(t *testing.T) {
	t.Parallel()
	old, promoted := redistest.Start(t), redistest.Start(t)
	replicate(t, promoted, old)
	address := startAddress(t, old)
	redis := "BACKBEAT_REDIS_URL=redis://" + address.addr
	start(t, "worker", redis, "BACKBEAT_DEBUG_TASKS=true")
	start(t, "beat", redis, "BACKBEAT_DEBUG_TASKS=true")
	api := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	if a := api.call("PUT", "/v1/schedules/s", `{"every":"1s","task":{"type":"debug.echo","payload":{"n":1}}}`); a.Status != http.StatusCreated {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	finishes(t, api)

	if err := promoted.Client(t).ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	replicate(t, old, promoted)
	await(t, "the API is not ready at a replica", func() bool { return api.call("GET", "/readyz", "").Status == http.StatusServiceUnavailable })
	address.target.Store(promoted.Addr())
	await(t, "the API is ready", func() bool { return api.call("GET", "/readyz", "").Status == http.StatusOK })
	finishes(t, api)
	before := ticks(t, api)
	await(t, "schedules fire", func() bool { return ticks(t, api) > before })
}

// replicate makes a server a replica, and waits until it has what its primary has.
func replicate(t *testing.T, replica, primary *redistest.Server) {
	t.Helper()
	host, port, _ := net.SplitHostPort(primary.Addr())
	rdb := replica.Client(t)
	if err := rdb.ReplicaOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "the replica is in step", func() bool {
		return strings.Contains(rdb.Info(t.Context(), "replication").Val(), "master_link_status:up")
	})
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); nap() {
		if done() {
			return
		}
	}
	t.Fatalf("waited %s in vain until %s", patience, what)
}

// finishes waits until a task is accepted, and then until it has run.
func finishes(t *testing.T, api *program) {
	t.Helper()
	finishesIn(t, api, "default")
}

func finishesIn(t *testing.T, api *program, queue string) {
	t.Helper()
	var id string
	await(t, "a task is accepted", func() bool {
		a := api.call("POST", "/v1/tasks", fmt.Sprintf(`{"type":"debug.echo","queue":%q,"payload":{"n":1}}`, queue))
		if a.Status != http.StatusAccepted {
			return false
		}
		id, _ = a.document(t)["id"].(string)
		return true
	})
	await(t, "it has run", func() bool { return api.call("GET", "/v1/tasks/"+id+"?wait=1", "").document(t)["state"] == "succeeded" })
}

// ticks counts the runs of the schedule s that have become tasks.
func ticks(t *testing.T, api *program) int {
	t.Helper()
	var list struct{ Items []document }
	a := api.call("GET", "/v1/schedules/s/runs", "")
	if err := json.Unmarshal(a.Body, &list); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	n := 0
	for _, run := range list.Items {
		if run["outcome"] == "fired" {
			n++
		}
	}
	return n
}

// address is where clients believe Redis to be. New connections go to its target.
type address struct {
	addr   string
	target atomic.Value // string
}

func startAddress(t *testing.T, target *redistest.Server) *address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &address{addr: l.Addr().String()}
	a.target.Store(target.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { a.serve(ctx, from) })
		}
	})
	t.Cleanup(func() {
		cancel()
		l.Close()
		wg.Wait()
	})
	return a
}

// serve passes on what a connection brings until either side or ctx ends.
func (a *address) serve(ctx context.Context, from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", a.target.Load().(string))
	if err != nil {
		return
	}
	defer to.Close()
	defer context.AfterFunc(ctx, func() { from.Close(); to.Close() })()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(to, from); to.Close() })
	wg.Go(func() { _, _ = io.Copy(from, to); from.Close() })
	wg.Wait()
}
