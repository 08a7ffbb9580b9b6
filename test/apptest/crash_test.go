package apptest

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestTasksOfAKilledWorkerRunElsewhere(t *testing.T) {
	t.Parallel()
	s := newSystem(t) // whose worker runs 64 at once
	const n = 100
	s.want(200, "POST", "/v1/queues/default/pause", "")
	s.postMany(n, `"type":"debug.sleep","payload":{"duration":"5s"},"max_retries":0,"timeout":"1m"`)
	s.want(200, "POST", "/v1/queues/default/resume", "")
	await(t, "64 tasks run at once", func() bool {
		running, _ := s.want(200, "GET", "/v1/tasks?state=running&limit=1000", "")["items"].([]any)
		return len(running) >= 64
	})
	s.worker.kill()
	s.startWorker()
	for i := range n {
		got := s.wait(fmt.Sprint("t-", i))
		if got["state"] != "succeeded" {
			t.Errorf("%v is %v: %v", got["id"], got["state"], got["error"])
		}
	}
}

// postMany hands in tasks with the ids t-0, t-1 and so on.
func (s *system) postMany(n int, fields string) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				s.post(fmt.Sprintf(`{"id":"t-%d",%s}`, i, fields))
			}
		})
	}
	wg.Wait()
}

// A task that kills its worker must not take those down for good that merely ran beside it.
func TestPoisonFailsAndItsNeighboursDoNot(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	const neighbours = 10
	s.want(200, "POST", "/v1/queues/default/pause", "")
	s.postMany(neighbours, `"type":"debug.sleep","payload":{"duration":"1s"},"max_retries":0`)
	poison := s.post(`{"type":"debug.fail","payload":{"kind":"exit"},"max_retries":0}`)
	s.want(200, "POST", "/v1/queues/default/resume", "")

	over := make(chan document)
	go func() { over <- s.waitLong(poison) }()
	deaths := 0
	for worker := s.worker; ; {
		select {
		case <-worker.done:
			deaths++
			worker = s.startWorker()
			continue
		case got := <-over:
			failure, _ := got["error"].(map[string]any)
			if got["state"] != "failed" || failure["kind"] != "crashed" || deaths != 3 {
				t.Errorf("%v %v after %d deaths", got["state"], failure, deaths)
			}
		}
		break
	}
	for i := range neighbours {
		if got := s.waitLong(fmt.Sprint("t-", i)); got["state"] != "succeeded" {
			t.Errorf("%v is %v: %v", got["id"], got["state"], got["error"])
		}
	}
}

// waitLong waits longer than one call can.
func (s *system) waitLong(id string) document {
	var got document
	for range 4 {
		if got = s.wait(id); got["finished_at"] != nil {
			break
		}
	}
	return got
}

func TestWorkerThatWasOnlyStopped(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	id := s.post(`{"type":"debug.sleep","payload":{"duration":"3s"},"max_retries":5}`)
	s.waitState(id, "running")
	if err := s.worker.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	other := s.startWorker()
	first := s.wait(id)
	if first["state"] != "succeeded" || first["attempt"] != 2.0 {
		t.Fatalf("elsewhere it ended as %v after %v attempts", first["state"], first["attempt"])
	}
	<-time.After(time.Until(stopped.Add(45 * time.Second)))
	if err := s.worker.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	other.stop(syscall.SIGTERM)
	// The one that woke is the only one left. When it runs something else, it is past what it was at.
	if got := s.wait(s.post(`{"type":"debug.echo"}`)); got["worker"] == first["worker"] {
		t.Errorf("%v ran it after it had stopped", got["worker"])
	}
	if got := s.get(id); got["state"] != "succeeded" || got["attempt"] != 2.0 || got["finished_at"] != first["finished_at"] || got["worker"] != first["worker"] {
		t.Errorf("the worker that woke made of it\n%v, it was\n%v", got, first)
	}
}

func TestRollingRestart(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	workers := []*program{s.worker, s.startWorker(), s.startWorker()}
	const n = 1500
	var posting sync.WaitGroup
	posting.Go(func() { s.postMany(n, `"type":"debug.sleep","payload":{"duration":"30ms","steps":1},"max_retries":0`) })
	for i, w := range workers {
		if code := w.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("worker %d: exit code %d", i, code)
		}
		s.startWorker()
	}
	posting.Wait()
	for i := range n {
		if got := s.wait(fmt.Sprint("t-", i)); got["state"] != "succeeded" || got["attempt"] != 1.0 {
			t.Errorf("%v is %v after %v attempts", got["id"], got["state"], got["attempt"])
		}
	}
}
