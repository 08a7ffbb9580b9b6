package backbeattest

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/testclock"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/task"
)

// Deployment is a whole Backbeat in the process of a test: a worker, a beat and an API on a Redis of their own.
//
// It has a clock, by which schedules fire, tasks become due and expire, and retention ends. The clock starts at the time of
// the machine and runs on with it; Advance moves it ahead.
type Deployment struct {
	t       testing.TB
	app     *program.App
	handler http.Handler
	queues  []string
	clock   *testclock.Clock
	plain   redis.UniversalClient // sees the time of Redis
	moved   redis.UniversalClient // sees the time of the deployment

	advance sync.Mutex
	left    map[string]bool // ids of running tasks that Advance does not wait for any more
}

// Start starts a Deployment that runs the tasks of sets, which may have options of package program among them. It has the
// configuration of standalone and no listener for the API. It logs warnings to the test, and ends with it: handlers that still
// run then have five seconds. Any number of Deployments may run at once.
//
// Its Redis is in memory (miniredis), or a database of the server that the environment variable BACKBEATTEST_REDIS_URL names;
// see RedisURL. Both have the same clock.
func Start(t testing.TB, sets ...task.Set) *Deployment {
	t.Helper()
	cfg, err := config.Load(program.Standalone, []string{
		"--redis-url=" + startRedis(t), "--api-insecure", "--worker-shutdown-timeout=5s",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &Deployment{t: t, queues: cfg.Queues.Names(), clock: &testclock.Clock{}, left: make(map[string]bool)}
	d.connect(cfg)
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	d.app, err = program.New(cfg, program.Standalone, append([]task.Set{program.Logger(logger), d.clock}, sets...)...)
	if err != nil {
		t.Fatal(err)
	}
	d.handler = d.app.Handler()
	d.run()
	return d
}

// connect makes the clients of the test itself.
func (d *Deployment) connect(cfg *config.Config) {
	d.t.Helper()
	opts, err := cfg.Redis.Options()
	if err != nil {
		d.t.Fatal(err)
	}
	opts.ContextTimeoutEnabled = true
	d.plain, d.moved = redis.NewUniversalClient(opts), d.clock.Wrap(redis.NewUniversalClient(opts))
	d.t.Cleanup(func() {
		_ = d.plain.Close() // nothing more to be done with either
		_ = d.moved.Close()
	})
}

// run runs the program until the test ends.
func (d *Deployment) run() {
	d.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(d.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.app.Run(ctx) }()
	d.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			d.t.Errorf("the deployment ended with %v", err)
		}
	})
	select {
	case <-d.app.Ready():
	case err := <-ended:
		ended <- nil
		d.t.Fatalf("the deployment does not start: %v", err)
	}
}

// Client returns a client on the Deployment's Redis. It is closed when the test ends.
func (d *Deployment) Client() *backbeat.Client { return d.app.Client() }

// Handler serves the HTTP API, without authentication.
func (d *Deployment) Handler() http.Handler { return d.handler }

// Now returns the time of the Deployment, in UTC.
func (d *Deployment) Now() time.Time {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.t.Context()), redisWait)
	defer cancel()
	now, err := d.moved.Time(ctx).Result()
	if err != nil {
		d.t.Fatalf("read the time of the deployment: %v", err)
	}
	return now.UTC().Truncate(time.Millisecond)
}

// redisWait bounds the wait for one answer of Redis.
const redisWait = 10 * time.Second
