package localredis_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/localredis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBuffer is a log for several goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, dir string) (*localredis.Server, *redis.Client, *logBuffer) {
	t.Helper()
	var log logBuffer
	s, err := localredis.Start(t.Context(), localredis.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	var opts *redis.Options
	if socket, ok := strings.CutPrefix(s.URL(), "redis-socket://"); ok {
		opts = &redis.Options{Network: "unix", Addr: socket}
	} else if opts, err = redis.ParseURL(s.URL()); err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opts)
	t.Cleanup(func() { c.Close() })
	return s, c, &log
}

func TestDataSurvivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	s, c, _ := start(t, dir)
	if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Error("Redis replies after Stop")
	}
	s, c, _ = start(t, dir)
	defer s.Stop()
	if got := c.Get(t.Context(), "k").Val(); got != "v" {
		t.Errorf("k is %q after a restart", got)
	}
}

func TestListensOnAPrivateSocketOnly(t *testing.T) {
	dir := t.TempDir()
	s, c, _ := start(t, dir)
	defer s.Stop()
	if port := c.ConfigGet(t.Context(), "port").Val()["port"]; port != "0" {
		t.Errorf("Redis listens on TCP port %s", port)
	}
	info, err := os.Stat(strings.TrimPrefix(s.URL(), "redis-socket://"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("socket: %v, %v", info, err)
	}
}

func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	s, c, _ := start(t, dir)
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
	socket := strings.TrimPrefix(s.URL(), "redis-socket://")
	s.Stop()
	if _, err := os.Stat(filepath.Dir(socket)); !os.IsNotExist(err) {
		t.Errorf("the directory of the socket was not removed: %v", err)
	}
}

func TestKilledChildIsRestartedWithItsData(t *testing.T) {
	s, c, log := start(t, t.TempDir())
	defer s.Stop()
	pid := processID(t, c)
	if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	// "everysec" may not have written it yet; WAITAOF waits for that.
	for !strings.Contains(c.Info(t.Context(), "persistence").Val(), "aof_pending_bio_fsync:0") {
		pause()
	}
	kill(t, pid)
	deadline := time.Now().Add(30 * time.Second)
	for c.Get(t.Context(), "k").Val() != "v" {
		if time.Now().After(deadline) {
			t.Fatalf("it was not restarted with its data:\n%s", log)
		}
		pause()
	}
	if processID(t, c) == pid {
		t.Error("the child did not die")
	}
	if !strings.Contains(log.String(), "restarting") {
		t.Errorf("the death was not logged:\n%s", log)
	}
}

func TestSecondInTheSameDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	s, _, _ := start(t, dir)
	defer s.Stop()
	_, err := localredis.Start(t.Context(), localredis.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "BACKBEAT_REDIS_URL") {
		t.Errorf("%v", err)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := localredis.Start(ctx, localredis.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Fatal("Start succeeded")
	}
	s, _, _ := start(t, dir) // nothing was left running, nor locked
	s.Stop()
}

func TestWithoutRedisServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := filepath.Join(t.TempDir(), "unused")
	s, c, log := start(t, dir)
	defer s.Stop()
	if err := c.Set(t.Context(), "k", "v", 300*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); c.Exists(t.Context(), "k").Val() == 1; pause() {
		if time.Now().After(deadline) {
			t.Fatal("a key with a TTL of 300ms is still there")
		}
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "kept in memory") {
		t.Errorf("%d warnings:\n%s", n, log)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a directory was created: %v", err)
	}
	anybody := redis.NewClient(&redis.Options{Addr: c.Options().Addr})
	defer anybody.Close()
	if errors.Is(anybody.Get(t.Context(), "k").Err(), redis.Nil) {
		t.Error("it accepts commands without the password")
	}
}

func processID(t *testing.T, c *redis.Client) int {
	t.Helper()
	for line := range strings.Lines(c.Info(t.Context(), "server").Val()) {
		if text, ok := strings.CutPrefix(line, "process_id:"); ok {
			var pid int
			for _, r := range strings.TrimSpace(text) {
				pid = pid*10 + int(r-'0')
			}
			return pid
		}
	}
	t.Fatal("INFO has no process_id")
	return 0
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// pause is the interval for polling.
func pause() { <-time.After(10 * time.Millisecond) }
