package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/backbeat-go/backbeat/internal/cli"
)

// api is a fake API that records its calls.
type api struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string // method, path and query, and the body
	keys  []string // the Authorization headers
}

// serve starts an API that responds to each "METHOD /path" with a body, and to anything else with 404.
func serve(t *testing.T, answers map[string]string) *api {
	a := &api{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		a.mu.Lock()
		a.calls = append(a.calls, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), body)))
		a.keys = append(a.keys, r.Header.Get("Authorization"))
		a.mu.Unlock()
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			answer = `{"detail": "there is no such thing"}`
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(a.Close)
	return a
}

// last returns the last call.
func (a *api) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.calls) == 0 {
		return ""
	}
	return a.calls[len(a.calls)-1]
}

// outcome is the result of a run of the program.
type outcome struct {
	code           int
	stdout, stderr string
}

// run runs the program against an API, with additional environment variables.
func (a *api) run(env []string, stdin string, args ...string) outcome {
	return run(append([]string{"BACKBEAT_SERVER=" + a.URL}, env...), stdin, args...)
}

// noHome hides the profiles of the user who runs the tests.
const noHome = "HOME=/nonexistent"

func run(env []string, stdin string, args ...string) outcome {
	var out, errOut bytes.Buffer
	code := cli.Main("v1.2.3", args, append([]string{noHome}, env...), strings.NewReader(stdin), &out, &errOut)
	return outcome{code, out.String(), errOut.String()}
}

// screen keeps what is written to a terminal.
type screen struct {
	bytes.Buffer
	terminal *os.File
}

func (s *screen) Fd() uintptr { return s.terminal.Fd() }

// onTerminal runs the program on a terminal, and returns what it writes.
func (a *api) onTerminal(t *testing.T, args ...string) (code int, shown string) {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	s := &screen{terminal: terminal}
	code = cli.Main("v1.2.3", args, []string{noHome, "BACKBEAT_SERVER=" + a.URL}, strings.NewReader(""), s, s)
	return code, s.String()
}

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}
