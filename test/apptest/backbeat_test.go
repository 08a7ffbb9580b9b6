package apptest

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestBackbeatOnTheCommandLine goes through what the client does for people and scripts.
func TestBackbeatOnTheCommandLine(t *testing.T) {
	p := start(t, "standalone", "BACKBEAT_SERVER=http://127.0.0.1:1", "BACKBEAT_KEY=k", "BACKBEAT_PROFILE=p") // which are for the client
	dir := t.TempDir()
	backbeat := func(wantCode int, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := exitIn(t, dir, "backbeat", args, "BACKBEAT_SERVER="+p.URL, "HOME="+dir, "TZ=UTC")
		if code != wantCode {
			t.Errorf("backbeat %q: exit code %d, want %d\n%s%s", args, code, wantCode, stdout, stderr)
		}
		return stdout, stderr
	}
	decode := func(text string) (d document) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Errorf("not a document: %q", text)
		}
		return d
	}

	t.Run("tasks", func(t *testing.T) {
		stdout, _ := backbeat(0, "run", "debug.sleep", "-p", "duration=20ms", "-p", "steps=4", "--id", "nap", "--wait")
		if d := decode(stdout); d["state"] != "succeeded" || d["id"] != "nap" || d["payload"].(map[string]any)["steps"] != 4.0 {
			t.Errorf("%v", d)
		}
		stdout, stderr := backbeat(1, "run", "debug.fail", "-p", "kind=permanent", "--id", "fails", "--wait")
		if d := decode(stdout); d["state"] != "failed" || stderr != "backbeat: task fails failed: failed as asked (permanent)\n" {
			t.Errorf("%v, %s", d, stderr)
		}
		backbeat(0, "run", "debug.echo", "-p", "n:=1", "--delay", "1h", "--id", "later", "--queue", "low")
		stdout, _ = backbeat(0, "list", "--queue", "low", "--state", "scheduled", "-o", "table")
		if lines := strings.Split(stdout, "\n"); len(lines) != 3 || !strings.HasPrefix(lines[1], "later  debug.echo  low    scheduled  0        20") {
			t.Errorf("%s", stdout)
		}
		if stdout, _ = backbeat(0, "list", "--limit", "2"); strings.Count(stdout, "\n") != 2 {
			t.Errorf("%s", stdout)
		}
		if _, stderr = backbeat(1, "cancel", "later", "nobody"); !strings.HasPrefix(stderr, `backbeat: nobody: there is no task "nobody"`) {
			t.Errorf("%s", stderr)
		}
		if d := decode(first(backbeat(0, "status", "later"))); d["state"] != "canceled" {
			t.Errorf("%v", d)
		}
		backbeat(0, "retry", "later")
		backbeat(0, "status", "later", "--wait")
		backbeat(0, "delete", "later")
		backbeat(1, "status", "later")
		_, stderr = backbeat(1, "run", "http.request", "-p", "url=ftp://example.com", "--queue", "nowhere")
		if want := "\n  payload.url: must be an http or https URL with a host\n"; !strings.HasSuffix(stderr, want) || !strings.Contains(stderr, "\n  queue: ") {
			t.Errorf("%s", stderr)
		}
	})
	t.Run("schedules", func(t *testing.T) {
		backbeat(0, "schedule", "put", "nightly", "--cron", "0 2 * * *", "--timezone", "Europe/Berlin", "--type", "debug.sleep", "-p", "duration=1ms", "-p", "steps=2")
		file := filepath.Join(dir, "crawl.yaml")
		if err := os.WriteFile(file, []byte("every: 1h\ntask:\n  type: debug.echo\n  payload: {n: 1}\nmax_instances: 0\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		backbeat(0, "schedule", "put", "crawl", "--file", file)
		stdout, _ := backbeat(0, "schedule", "list", "-o", "table")
		if lines := strings.Split(stdout, "\n"); len(lines) != 4 || !strings.HasPrefix(lines[1], "crawl    every 1h                 debug.echo   20") {
			t.Errorf("%s", stdout)
		}
		if d := decode(first(backbeat(0, "schedule", "pause", "crawl"))); d["paused"] != true {
			t.Errorf("%v", d)
		}
		if d := decode(first(backbeat(0, "schedule", "resume", "crawl"))); d["paused"] != false || d["max_instances"] != 0.0 {
			t.Errorf("%v", d)
		}
		id, _ := decode(first(backbeat(0, "schedule", "trigger", "nightly")))["id"].(string)
		backbeat(0, "status", id, "--wait")
		if d := decode(first(backbeat(0, "schedule", "runs", "nightly"))); d["outcome"] != "triggered" || d["task_id"] != id {
			t.Errorf("%v", d)
		}
		backbeat(0, "schedule", "delete", "nightly")
		backbeat(1, "schedule", "get", "nightly")
		stdout, _ = backbeat(0, "schedule", "preview", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--after", "2026-03-28T12:00:00Z", "--count", "2")
		if stdout != "\"2026-03-29T03:00:00+02:00\"\n\"2026-03-30T02:30:00+02:00\"\n" {
			t.Errorf("%s", stdout)
		}
	})
	t.Run("system", func(t *testing.T) {
		stdout, _ := backbeat(0, "queues", "pause", "low", "-o", "table")
		if !strings.Contains(stdout, "low    1       paused  0 ") {
			t.Errorf("%s", stdout)
		}
		backbeat(0, "queues", "resume", "low")
		if stdout, _ = backbeat(0, "queues"); strings.Count(stdout, "\n") != 3 {
			t.Errorf("%s", stdout)
		}
		if d := decode(first(backbeat(0, "workers"))); d["concurrency"] != 64.0 {
			t.Errorf("%v", d)
		}
		if d := decode(first(backbeat(0, "top"))); len(d["queues"].([]any)) != 3 || len(d["workers"].([]any)) != 1 {
			t.Errorf("%v", d)
		}
		backbeat(0, "beat")
		if stdout, _ = backbeat(0, "types"); !strings.Contains(stdout, `{"type":"http.request","description":"Calls an HTTP endpoint`) {
			t.Errorf("%s", stdout)
		}
		for _, shell := range []string{"bash", "zsh", "fish"} {
			if stdout, _ = backbeat(0, "completion", shell); !strings.Contains(stdout, "backbeat") {
				t.Errorf("%s: %s", shell, stdout)
			}
		}
	})
}

func first(stdout, _ string) string { return stdout }

// terminal is a program that runs on a terminal, with what that shows.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	file *os.File
	done chan struct{}

	mu     sync.Mutex
	screen bytes.Buffer
}

func onTerminal(t *testing.T, env []string, name string, args ...string) *terminal {
	t.Helper()
	p := &terminal{t: t, cmd: exec.Command(filepath.Join(binaries, name), args...), done: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Dir = t.TempDir()
	var err error
	if p.file, err = pty.Start(p.cmd); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_, _ = io.Copy(p, p.file) // it ends with an error when the program does
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		p.file.Close()
	})
	return p
}

func (p *terminal) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.Write(data)
}

func (p *terminal) shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

// await waits until the terminal shows a text so many times.
func (p *terminal) await(text string, times int) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); strings.Count(p.shown(), text) < times; nap() {
		if time.Now().After(deadline) {
			p.t.Fatalf("no %q on the terminal:\n%s", text, p.shown())
		}
	}
}

// interrupt types Ctrl-C and returns the exit code.
func (p *terminal) interrupt() int {
	p.t.Helper()
	if _, err := p.file.WriteString("\x03"); err != nil {
		p.t.Fatal(err)
	}
	<-p.done
	_ = p.cmd.Wait() // the exit code tells
	return p.cmd.ProcessState.ExitCode()
}

func TestBackbeatTopOnATerminal(t *testing.T) {
	p := start(t, "standalone")
	top := onTerminal(t, []string{"BACKBEAT_SERVER=" + p.URL}, "backbeat", "top")
	top.await("DONE-TODAY", 2)
	if code := top.interrupt(); code != 0 || !strings.HasSuffix(top.shown(), "\x1b[?25h\x1b[?1049l") {
		t.Errorf("exit code %d, the terminal ends with %q", code, top.shown()[max(0, len(top.shown())-50):])
	}
}

func TestBackbeatInterruptedLeavesTheTask(t *testing.T) {
	p := start(t, "standalone")
	env := []string{"BACKBEAT_SERVER=" + p.URL}
	wait := onTerminal(t, env, "backbeat", "run", "debug.sleep", "-p", "duration=1h", "--id", "long", "--wait")
	p.waitState("long", "running")
	if code := wait.interrupt(); code != 130 || !strings.Contains(wait.shown(), "backbeat status long --wait") {
		t.Errorf("exit code %d:\n%s", code, wait.shown())
	}
	if got := p.get("long"); got["state"] != "running" || got["cancel_requested"] != false {
		t.Errorf("%v", got)
	}
	p.call("POST", "/v1/tasks/long/cancel", "") // which nobody else does
	if got := p.wait("long"); got["state"] != "canceled" {
		t.Errorf("%v", got)
	}
}
