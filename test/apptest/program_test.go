package apptest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/openapitest"
)

// patience bounds what a test waits for. It is far beyond what anything here takes, and no measure of speed.
const patience = 60 * time.Second

var binaries string // the directory of the built programs

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "backbeat-programs-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binaries = dir
		build := exec.Command("go", "build", "-C", "../..", "-o", dir, "./cmd/...")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// program is a program that runs.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	URL  string // of its API, if it has one
	done chan struct{}
	// document is that of its API, which answers are held against.
	document *openapitest.Document

	mu  sync.Mutex
	log bytes.Buffer
}

// start starts a program in a directory of its own and waits until it says that it is ready. It is killed when the
// test ends, if it still runs.
func start(t *testing.T, name string, env ...string) *program {
	t.Helper()
	return startIn(t, t.TempDir(), name, env...)
}

func startIn(t *testing.T, dir, name string, env ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(filepath.Join(binaries, name)), done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "BACKBEAT_API_ADDR=127.0.0.1:0", "BACKBEAT_LOG_FORMAT=json",
	}, env...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := startTied(p.cmd); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go p.read(stderr, ready)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, p.logs())
		}
	})
	select {
	case p.URL = <-ready:
	case <-p.done:
		t.Fatalf("%s ended before it was ready:\n%s", name, p.logs())
	case <-time.After(patience):
		t.Fatalf("%s was not ready after %s:\n%s", name, patience, p.logs())
	}
	if strings.HasPrefix(p.URL, "http") { // the API may be in a server of the program's own
		p.document = openapitest.Fetch(t, p.URL)
	}
	return p
}

// startTied starts a command that dies with the test binary, from a thread that lives on as long as that.
func startTied(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Start()
}

func (p *program) read(stderr io.Reader, ready chan<- string) {
	defer close(p.done)
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.log.Write(lines.Bytes())
		p.log.WriteByte('\n')
		p.mu.Unlock()
		var line struct{ Msg, API string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			ready <- line.API
		}
	}
	_ = p.cmd.Wait() // the exit code is asked for where it matters
}

func (p *program) logs() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// stop sends a signal and returns the exit code.
func (p *program) stop(sig syscall.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("still runs %s after %s:\n%s", patience, sig, p.logs())
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill() // an error means that it has ended
	<-p.done
}

// answer is an HTTP answer.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// document is a task, or whatever else the API answers with.
type document map[string]any

func (a answer) document(t *testing.T) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(a.Body, &d); err != nil {
		t.Fatalf("answer %d is no JSON object: %s", a.Status, a.Body)
	}
	return d
}

// call sends a request, with body as JSON if it is not "".
func (p *program) call(method, path, body string) answer {
	p.t.Helper()
	return p.callAs("", method, path, body)
}

// callAs sends a request with an API key, "" for none.
func (p *program) callAs(key, method, path, body string) answer {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience+10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.URL+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.document.CheckAnswer(p.t, res, data)
	return answer{res.StatusCode, res.Header, data}
}

// post hands a task in and returns its id.
func (p *program) post(body string) string {
	p.t.Helper()
	a := p.call("POST", "/v1/tasks", body)
	if a.Status != http.StatusAccepted {
		p.t.Fatalf("POST %s: %d %s", body, a.Status, a.Body)
	}
	id, _ := a.document(p.t)["id"].(string)
	if want := "/v1/tasks/" + id; a.Header.Get("Location") != want {
		p.t.Errorf("Location %q, want %q", a.Header.Get("Location"), want)
	}
	return id
}

func (p *program) get(id string) document {
	p.t.Helper()
	return p.call("GET", "/v1/tasks/"+id, "").document(p.t)
}

// wait waits until the task is over.
func (p *program) wait(id string) document {
	p.t.Helper()
	return p.call("GET", "/v1/tasks/"+id+"?wait=60s", "").document(p.t)
}

// waitState waits until the task is in the state.
func (p *program) waitState(id, state string) document {
	p.t.Helper()
	var last document
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); nap() {
		if last = p.get(id); last["state"] == state {
			return last
		}
	}
	p.t.Fatalf("task %s is %v, not %s", id, last["state"], state)
	return nil
}

// nap lets others work between two looks at what nobody announces.
func nap() { <-time.After(10 * time.Millisecond) }

// exit runs a program to its end and returns its exit code and what it printed.
func exit(t *testing.T, name string, args []string, env ...string) (code int, stdout, stderr string) {
	t.Helper()
	return exitIn(t, t.TempDir(), name, args, env...)
}

func exitIn(t *testing.T, dir, name string, args []string, env ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(binaries, name), args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}
