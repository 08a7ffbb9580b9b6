package program_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

// patience bounds what is over at once.
const patience = 30 * time.Second

// settings returns the configuration of a program that listens at free ports.
func settings(t *testing.T, p program.Program, redisURL string, environ ...string) *config.Config {
	t.Helper()
	args := []string{"--redis-url=" + redisURL}
	if p == program.API || p == program.Standalone {
		args = append(args, "--api-addr=127.0.0.1:0")
	}
	cfg, err := config.Load(p, args, environ)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func assembled(t *testing.T, p program.Program, cfg *config.Config, sets ...task.Set) *program.App {
	t.Helper()
	app, err := program.New(cfg, p, append([]task.Set{program.Logger(slog.New(slog.DiscardHandler)), tasks.Builtin()}, sets...)...)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// A New that fails, or panics, leaves nothing behind of what it had made before.
func TestNewThatFailsClosesWhatItHasOpened(t *testing.T) {
	before := goleak.IgnoreCurrent()
	keys := httptest.NewServer(http.NotFoundHandler())
	huge := task.Define[task.None, task.None]("huge", task.Describe(strings.Repeat("x", 1<<20)))
	cfg := settings(t, program.Standalone, "redis://127.0.0.1:1", "BACKBEAT_API_JWT_JWKS_URL="+keys.URL)
	for name, set := range map[string]task.Set{
		"a type that cannot be registered": huge.Handle(func(context.Context, task.None) (task.None, error) { return task.None{}, nil }),
		"a route that is taken": program.Routes("", func(g *echo.Group) {
			g.GET("/healthz", func(echo.Context) error { return nil })
		}),
	} {
		func() {
			defer func() { _ = recover() }()
			_, err := program.New(cfg, program.Standalone, set, tasks.Builtin(), program.Logger(slog.New(slog.DiscardHandler)))
			if err == nil {
				t.Errorf("New takes %s", name)
			}
		}()
	}
	keys.Close()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}

// The last part that starts fails, and so all others have opened connections by then.
func TestStartThatFailsClosesWhatItHasOpened(t *testing.T) {
	redis := redistest.Start(t)
	rdb := redis.Connect(t)
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	cfg := settings(t, program.Standalone, redis.URL())
	cfg.API.Addr = taken.Listener.Addr().String()
	if err := assembled(t, program.Standalone, cfg).Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "start api: ") {
		t.Errorf("Run returns %v", err)
	}
	redistest.Poll(t, patience, "its connections are closed", func() bool {
		return strings.Count(rdb.ClientList(t.Context()).Val(), "\n") == 1
	})
}

func TestProgramRunsOnce(t *testing.T) {
	redis := redistest.Start(t)
	app := assembled(t, program.Standalone, settings(t, program.Standalone, redis.URL()))
	stop := run(t, app)
	if err := app.Run(t.Context()); err == nil {
		t.Error("it runs twice at a time")
	}
	if err := stop(); err != nil {
		t.Errorf("Run returns %v", err)
	}
	if err := app.Run(t.Context()); err == nil {
		t.Error("it runs again")
	}
	app.Stop(t.Context())
}

func TestProgramIsStopped(t *testing.T) {
	redis := redistest.Start(t)
	for _, p := range []program.Program{program.API, program.Worker, program.Beat, program.Standalone} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			app := assembled(t, p, settings(t, p, redis.URL()))
			ended := make(chan error, 1)
			go func() { ended <- app.Run(context.Background()) }()
			<-app.Ready()
			var racing sync.WaitGroup
			for range 3 {
				racing.Go(func() { app.Stop(context.Background()) })
			}
			racing.Wait()
			if err := <-ended; err != nil {
				t.Errorf("Run returns %v", err)
			}
			app.Stop(context.Background())
		})
	}
}

func TestProgramIsStoppedBeforeItRuns(t *testing.T) {
	app := assembled(t, program.Standalone, settings(t, program.Standalone, "redis://127.0.0.1:1"))
	app.Stop(t.Context())
	if err := app.Run(t.Context()); err != nil {
		t.Errorf("Run returns %v", err)
	}
	select {
	case <-app.Ready():
		t.Error("it is ready")
	default:
	}
}

// It does not start, because Redis does not answer.
func TestProgramIsStoppedWhileItStarts(t *testing.T) {
	for _, p := range []program.Program{program.Worker, program.Beat, program.Standalone} {
		waits := make(chan struct{})
		var once sync.Once
		logger := slog.New(slog.NewTextHandler(writer(func(line []byte) {
			if bytes.Contains(line, []byte("redis does not answer")) {
				once.Do(func() { close(waits) })
			}
		}), nil))
		app := assembled(t, p, settings(t, p, "redis://127.0.0.1:1"), program.Logger(logger))
		ended := make(chan error, 1)
		go func() { ended <- app.Run(context.Background()) }()
		<-waits
		app.Stop(t.Context())
		if err := <-ended; err != nil {
			t.Errorf("%s: Run returns %v", p, err)
		}
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// A handler that does not end keeps the program no longer than worker.shutdown_timeout and the grace after it.
func TestStopIsBounded(t *testing.T) {
	redis := redistest.Start(t)
	begun, release := make(chan struct{}), make(chan struct{})
	stuck := task.Define[task.None, task.None]("stuck").Handle(func(context.Context, task.None) (task.None, error) {
		close(begun)
		<-release
		return task.None{}, nil
	})
	app := assembled(t, program.Worker, settings(t, program.Worker, redis.URL(), "BACKBEAT_WORKER_SHUTDOWN_TIMEOUT=10ms"), stuck)
	ended := make(chan error, 1)
	go func() { ended <- app.Run(context.Background()) }()
	<-app.Ready()
	if _, err := app.Client().Enqueue(t.Context(), "stuck", nil); err != nil {
		t.Fatal(err)
	}
	<-begun
	app.Stop(t.Context())
	if err := <-ended; err != nil {
		t.Errorf("Run returns %v", err)
	}
	close(release)
}

// Parts stop in the reverse of the order in which they start, and one of them reads the types for all.
func TestPartsStopInReverse(t *testing.T) {
	var mu sync.Mutex
	var started, stopped []string
	logger := slog.New(slog.NewJSONHandler(writer(func(line []byte) {
		var entry struct{ Msg, Part string }
		if err := json.Unmarshal(line, &entry); err != nil || entry.Part == "" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if entry.Msg == "starting" {
			started = append(started, entry.Part)
		} else {
			stopped = append([]string{entry.Part}, stopped...)
		}
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	redis := redistest.Start(t)
	app := assembled(t, program.Standalone, settings(t, program.Standalone, redis.URL()), program.Logger(logger))
	if err := run(t, app)(); err != nil {
		t.Fatal(err)
	}
	order := strings.Join(started, ", ")
	if got := strings.Join(stopped, ", "); got != order || order == "" {
		t.Errorf("they start as %s, and stop in reverse of %s", order, got)
	}
	if n := strings.Count(order, "task types,"); n != 2 { // and their registration
		t.Errorf("%d parts read and write types: %s", n, order)
	}
}
