package localredis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// Options say where the data is kept.
type Options struct {
	Dir    string // is made if it is not there
	Logger *slog.Logger
}

// Server is a running Redis. Stop it.
type Server struct {
	url  string
	stop func()
}

// URL is the address, in the form that redis.url has.
func (s *Server) URL() string { return s.url }

// Stop ends the Redis and waits until it has. It may be called once.
func (s *Server) Stop() { s.stop() }

// binaries are programs that are a Redis.
var binaries = []string{"redis-server", "valkey-server"}

// Start starts a Redis and waits until it answers. It fails if another program uses the directory.
func Start(ctx context.Context, opts Options) (*Server, error) {
	binary := findBinary()
	if binary == "" {
		opts.Logger.Warn("no redis-server on PATH: tasks are kept in memory and are lost when this program ends; " +
			"install redis-server, or set BACKBEAT_REDIS_URL, to keep them")
		return StartEmbedded()
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !locked {
		return nil, fmt.Errorf("%s is in use by another standalone; stop that one, start this one in another directory, "+
			"or give both one Redis with BACKBEAT_REDIS_URL", dir)
	}
	s, err := startChild(ctx, binary, dir, opts.Logger)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	stopChild := s.stop
	s.stop = func() {
		stopChild()
		_ = lock.Unlock() // it goes with the process in any case
	}
	return s, nil
}

func findBinary() string {
	for _, name := range binaries {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// stopGrace is how long a Redis may take to write its file and end.
const stopGrace = 10 * time.Second
