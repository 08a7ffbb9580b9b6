package apptest

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

func TestHangUpDrains(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	worker := start(t, "worker", redis, "BACKBEAT_DEBUG_TASKS=true")
	id := api.post(`{"type":"debug.sleep","payload":{"duration":"3s"}}`) // long enough to be seen running
	api.waitState(id, "running")
	if code := worker.stop(syscall.SIGHUP); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := api.get(id); got["state"] != "succeeded" || got["attempt"] != 1.0 {
		t.Errorf("%v after %v attempts", got["state"], got["attempt"])
	}
}

// nohup has a program ignore SIGHUP.
func TestHangUpUnderNohup(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	script := "#!/bin/sh\ntrap '' HUP\nexec " + filepath.Join(binaries, "worker") + "\n"
	if err := os.WriteFile(filepath.Join(binaries, "worker-nohup"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	api := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	worker := start(t, "worker-nohup", redis, "BACKBEAT_DEBUG_TASKS=true")
	if err := worker.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	id := api.post(`{"type":"debug.sleep","payload":{"duration":"100ms"}}`)
	if got := api.wait(id); got["state"] != "succeeded" {
		t.Errorf("after SIGHUP the task is %v", got["state"])
	}
	if code := worker.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSecondSignalEndsAProgramAtOnce(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	worker := start(t, "worker", redis, "BACKBEAT_DEBUG_TASKS=true", "BACKBEAT_WORKER_SHUTDOWN_TIMEOUT=10m")
	api.waitState(api.post(`{"type":"debug.sleep","payload":{"duration":"9m"}}`), "running")
	if err := worker.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !strings.Contains(worker.logs(), `"msg":"stopping"`); nap() {
		if time.Now().After(deadline) {
			t.Fatal("the first signal was not noticed")
		}
	}
	// The first signal may be noticed a moment before the next one has its default effect.
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		_ = worker.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
		select {
		case <-worker.done:
			if status, _ := worker.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
				t.Errorf("it ended by %v", worker.cmd.ProcessState)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("it drains on after further signals")
}

func TestProgramOutlivesTheReaderOfItsLog(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(binaries, "worker"))
	cmd.Env = []string{"BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w
	err = startTied(cmd)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(r); lines.Scan() && !strings.Contains(lines.Text(), "ready"); {
	}
	r.Close()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil { // it logs that it stops
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("without a reader of its log it ended with: %v", err)
	}
}

func TestStandaloneChecksSettingsBeforeItStartsRedis(t *testing.T) {
	dir := t.TempDir()
	code, _, stderr := exitIn(t, dir, "standalone", nil,
		"BACKBEAT_API_ADDR=127.0.0.1:0", "BACKBEAT_API_JWT_PUBLIC_KEY_FILE="+filepath.Join(dir, "missing.pem"))
	if code != 2 || !strings.Contains(stderr, "missing.pem") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, ".backbeat")); !os.IsNotExist(err) {
		t.Errorf("it made the directory of its Redis first: %v", err)
	}
}

// A round of mending and starting again for each fault would be a long day.
func TestEveryFaultOfTheConfigurationAtOnce(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "backbeat.yaml")
	err := os.WriteFile(file, []byte(`
queues: "default=0"
bogus: 1
schedules:
  - {id: a, cron: "* *", task: {type: debug.nope}}
  - just text
  - {id: b, every: 1h, task: {type: http.request, payload: {}}}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	code, _, stderr := exitIn(t, dir, "standalone", []string{"--config", file, "--nonsense"},
		"BACKBEAT_REDIS_URL=redis://localhost/x", "BACKBEAT_API_JWT_PUBLIC_KEY_FILE="+filepath.Join(dir, "missing.pem"),
		"BACKBEAT_LOG_LEVEL=loud", "BACKBEAT_SMTP_URL=nowhere")
	if code != 2 {
		t.Errorf("exit code %d", code)
	}
	for _, fault := range []string{
		"--nonsense", "bogus:", "queues:", "redis.url:", "log.level:", "smtp.url:", "missing.pem", "schedules[0].cron:",
		"schedules[0].task.type:", "schedules[1]:", "schedules[2].task.payload.url: is required",
	} {
		if !strings.Contains(stderr, fault) {
			t.Errorf("%s is not among the faults", fault)
		}
	}
	if n := strings.Count(stderr, "\n  "); n != 11 || t.Failed() {
		t.Errorf("%d faults:\n%s", n, stderr)
	}
}
