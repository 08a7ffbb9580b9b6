package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/tasks"
)

// server is the address of a Backbeat that all tests share: the API, a worker and beat on a real Redis of their own.
var server string

// patience bounds what a test waits for. It is far beyond what anything here takes, and no measure of speed.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "backbeat-client-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if err := os.Chdir(dir); err != nil { // standalone keeps its Redis here
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		url, stop, err := startStandalone()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer stop()
		server = url
		return m.Run()
	}())
}

// startStandalone starts a Backbeat in this process and waits until it is ready.
func startStandalone(args ...string) (url string, stop func(), err error) {
	cfg, err := config.Load(config.Standalone, append(args, "--api-addr=127.0.0.1:0"), nil)
	if err != nil {
		return "", nil, err
	}
	log := &readyLog{url: make(chan string, 1)}
	app, err := program.New(cfg, program.Standalone, program.Logger(slog.New(slog.NewJSONHandler(log, nil))), tasks.Builtin())
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	stop = func() { cancel(); <-done }
	select {
	case url := <-log.url:
		return url, stop, nil
	case err := <-done:
		cancel()
		return "", nil, fmt.Errorf("standalone ended before it was ready: %w", err)
	case <-time.After(patience):
		stop()
		return "", nil, fmt.Errorf("standalone was not ready after %s", patience)
	}
}

// readyLog is a log in which somebody waits for the address of the API.
type readyLog struct {
	once sync.Once
	url  chan string
}

func (l *readyLog) Write(line []byte) (int, error) {
	var entry struct{ Msg, API string }
	if json.Unmarshal(line, &entry) == nil && entry.Msg == "ready" {
		l.once.Do(func() { l.url <- entry.API })
	}
	return len(line), nil
}

// connect returns a client whose connections end with the test.
func connect(t *testing.T, url string, opts ...client.Option) *client.Client {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(url, append([]client.Option{client.WithHTTPClient(&http.Client{Transport: transport})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// unique makes a name that no other run of a test has used with the server they share.
func unique(name string) string { return name + "-" + uuid.NewString() }

// within bounds what a test does.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
