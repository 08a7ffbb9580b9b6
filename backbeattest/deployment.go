package backbeattest

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/localredis"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/task"
)

// Deployment is a whole Backbeat in the process of a test: a worker, a beat and an API on a Redis in memory.
type Deployment struct {
	app     *program.App
	handler http.Handler
}

// Start starts a Deployment that runs the tasks of sets, which may have options of package program among them. It has the
// configuration of standalone, a Redis of its own (miniredis), and no listener for the API. It logs warnings to the test, and
// ends with it: handlers that still run then have five seconds. Any number of Deployments may run at once.
func Start(t testing.TB, sets ...task.Set) *Deployment {
	t.Helper()
	redis, err := localredis.StartEmbedded()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Stop)
	cfg, err := config.Load(program.Standalone, []string{
		"--redis-url=" + redis.URL(), "--api-insecure", "--worker-shutdown-timeout=5s",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	app, err := program.New(cfg, program.Standalone, append([]task.Set{program.Logger(logger)}, sets...)...)
	if err != nil {
		t.Fatal(err)
	}
	d := &Deployment{app, app.Handler()}
	d.run(t)
	return d
}

// run runs the program until the test ends.
func (d *Deployment) run(t testing.TB) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.app.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the deployment ended with %v", err)
		}
	})
	select {
	case <-d.app.Ready():
	case err := <-ended:
		ended <- nil
		t.Fatalf("the deployment does not start: %v", err)
	}
}

// Client returns a client on the Deployment's Redis. It is closed when the test ends.
func (d *Deployment) Client() *backbeat.Client { return d.app.Client() }

// Handler serves the HTTP API, without authentication.
func (d *Deployment) Handler() http.Handler { return d.handler }
