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

// Options are the options of Start.
type Options struct {
	Dir    string // for the data; created if it does not exist
	Logger *slog.Logger
}

// Server is a running Redis. It must be stopped with Stop.
type Server struct {
	url  string
	stop func()
}

// URL returns the address, in the form of the setting redis.url.
func (s *Server) URL() string { return s.url }

// Stop stops the Redis and waits until it has ended. It must not be called twice.
func (s *Server) Stop() { s.stop() }

// binaries are the names of Redis servers, in the order of preference.
var binaries = []string{"redis-server", "valkey-server"}

// Start starts a Redis and waits until it replies. It returns an error if another program uses the directory.
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
		return nil, fmt.Errorf("create the data directory: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !locked {
		return nil, fmt.Errorf("%s is in use by another standalone; stop that one, start this one in another directory, "+
			"or configure the same Redis for both with BACKBEAT_REDIS_URL", dir)
	}
	s, err := startChild(ctx, binary, dir, opts.Logger)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	stopChild := s.stop
	s.stop = func() {
		stopChild()
		_ = lock.Unlock() // the end of the process releases it, too
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

// stopGrace is how long the Redis may take to write its file and exit.
const stopGrace = 10 * time.Second
