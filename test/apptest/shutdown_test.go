package apptest

import (
	"syscall"
	"testing"
	"time"
)

// A worker is told to stop while it runs tasks, holds others, and more stream in; again and again.
func TestShutdownUnderLoad(t *testing.T) {
	t.Parallel()
	const rounds = 3
	env := []string{"BACKBEAT_WORKER_CONCURRENCY=16", "BACKBEAT_WORKER_SHUTDOWN_TIMEOUT=1s"}
	tr := newTraffic(t, env...)
	tr.load(4)
	outlasting := []string{"long-1", "long-2", "long-3"}
	tr.hold(outlasting...)
	for round := 1; round <= rounds; round++ {
		tr.pileUp(800) // with so many that wait, the worker fetches ahead of its slots
		tr.hook.waitCalls(t, tr.hook.total()+100)
		told := time.Now()
		if code := tr.worker.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if took := time.Since(told); took > 45*time.Second { // the tasks that it holds would take 2 minutes
			t.Errorf("the worker took %s to stop, with a shutdown timeout of 1s", took)
		}
		for _, id := range outlasting {
			if got := tr.get(id); got["state"] != "pending" || got["attempt"] != float64(round) || got["error"] != nil {
				t.Errorf("%s was handed back as %v after %v attempts, error %v", id, got["state"], got["attempt"], got["error"])
			}
		}
		tr.startWorker(env...)
		for _, id := range outlasting {
			tr.hook.waitTask(t, id, round+1)
		}
	}
	for _, id := range outlasting {
		tr.hook.release(id)
	}
	tr.stopLoad()
	tr.checkHeld(rounds + 1)
	if again := tr.checkLoad(); again > 0 {
		t.Errorf("%d tasks were not done with their first attempt, though they had time to end, or were never begun", again)
	}
}
