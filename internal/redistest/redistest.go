// Package redistest starts real redis-server processes for tests.
package redistest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a redis-server on a loopback port of its own. It ends with the test.
type Server struct {
	t      testing.TB
	addr   string
	bus    string // port of the cluster bus; empty outside a cluster
	dir    string
	args   []string
	proc   *process
	frozen atomic.Bool
}

// Option changes how the server is started.
type Option func(*Server)

// WithAOF keeps an append-only file that is synced at every write, so that a killed server comes back with all it
// has acknowledged.
func WithAOF() Option {
	return func(s *Server) { s.args = []string{"--appendonly", "yes", "--appendfsync", "always"} }
}

// Start starts a server, without persistence unless an option says otherwise, and waits until it answers.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	return startServer(t, opts...)
}

func startServer(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir()}
	// The ports are free when they are picked; should somebody take one before Redis does, others are picked.
	for range 10 {
		s.args = []string{"--appendonly", "no"}
		for _, opt := range opts {
			opt(s)
		}
		s.addr = freeAddr(t)
		if err := s.launch(); err == nil {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatalf("redis-server did not start: %s", s.log())
	return nil
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return s.addr }

// URL is the server's address as configurations give it.
func (s *Server) URL() string { return "redis://" + s.addr + "/0" }

// Client returns a client that is closed when the test ends.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.addr})
	t.Cleanup(func() { c.Close() })
	return c
}

// Kill ends the server as kill -9 does. Killing it twice is no error.
func (s *Server) Kill() {
	s.proc.kill()
	s.frozen.Store(false)
}

// Restart starts the server again after Kill, at the same address and with its files.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.launch(); err != nil {
		s.t.Fatalf("redis-server did not start again: %v: %s", err, s.log())
	}
}

// Freeze stops the server without closing its connections: it takes what is sent and answers nothing.
func (s *Server) Freeze() {
	s.t.Helper()
	s.frozen.Store(true)
	s.signal(syscall.SIGSTOP)
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() {
	s.t.Helper()
	s.signal(syscall.SIGCONT)
	s.frozen.Store(false)
}

// running reports whether the server is neither killed nor frozen.
func (s *Server) running() bool {
	select {
	case <-s.proc.done:
		return false
	default:
		return !s.frozen.Load()
	}
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.proc.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("signal redis-server: %v", err)
	}
}

func (s *Server) log() []byte {
	data, err := os.ReadFile(filepath.Join(s.dir, "redis.log"))
	if err != nil {
		return nil
	}
	return bytes.TrimSpace(data)
}

func (s *Server) launch() error {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatal("redis-server is not on PATH; install it with: apt-get install redis-server")
	}
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	args := append([]string{
		"--bind", host, "--port", port, "--dir", s.dir, "--save", "", "--logfile", "redis.log",
		"--enable-debug-command", "local",
	}, s.args...)
	proc, err := startProcess(exec.Command(binary, args...))
	if err != nil {
		return err
	}
	s.proc = proc
	return s.waitReady()
}

// waitReady asks until the server answers, which after a restart includes reading its file.
func (s *Server) waitReady() error {
	c := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		if c.Ping(ctx).Err() == nil {
			return nil
		}
		select {
		case <-s.proc.done:
			return fmt.Errorf("redis-server ended by itself")
		case <-ctx.Done():
			s.proc.kill()
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
