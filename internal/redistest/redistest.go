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

	"github.com/backbeat-go/backbeat/internal/redisconn"
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

	// cluster is what the server stands for, if the tests run on one, and used whether a test has disturbed its nodes.
	cluster *Cluster
	used    bool
}

// Option changes how the server is started.
type Option func(*Server)

// WithAOF keeps an append-only file that is synced at every write, so that a killed server comes back with all it
// has acknowledged.
func WithAOF() Option {
	return func(s *Server) { s.args = append(s.args, "--appendonly", "yes", "--appendfsync", "always") }
}

// Start starts a server, without persistence unless an option says otherwise, and waits until it answers. Where the environment
// has OnCluster, it is a cluster of three masters instead.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	if clustered() {
		return startFacade(t, opts...)
	}
	s := startServer(t, t.TempDir(), opts...)
	t.Cleanup(s.Kill)
	return s
}

func startServer(t testing.TB, dir string, opts ...Option) *Server {
	t.Helper()
	s := &Server{t: t, dir: dir}
	// The ports are free when they are picked; should somebody take one before Redis does, others are picked.
	for range 10 {
		s.args = []string{"--appendonly", "no"}
		for _, opt := range opts {
			opt(s)
		}
		s.addr = freeAddr(t)
		if err := s.launch(); err == nil {
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

// Addr is the server's host:port. A test that needs it is skipped on a cluster.
func (s *Server) Addr() string {
	if s.cluster != nil {
		s.t.Skip("needs a single Redis")
	}
	return s.addr
}

// URL is the server's address as configurations give it.
func (s *Server) URL() string {
	if s.cluster != nil {
		return s.cluster.URL()
	}
	return "redis://" + s.addr + "/0"
}

// Client returns a client of the single server that is closed when the test ends. A test that needs it is skipped on a cluster.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	return newClient(t, &redis.UniversalOptions{Addrs: []string{s.Addr()}}).(*redis.Client)
}

// Connect returns a client as the programs have it, of a server or a cluster. It is closed when the test ends.
func (s *Server) Connect(t testing.TB, change ...func(*redis.UniversalOptions)) redis.UniversalClient {
	t.Helper()
	if s.cluster != nil {
		return s.cluster.Client(t, change...)
	}
	return newClient(t, &redis.UniversalOptions{Addrs: []string{s.addr}}, change...)
}

func newClient(t testing.TB, opts *redis.UniversalOptions, change ...func(*redis.UniversalOptions)) redis.UniversalClient {
	for _, f := range change {
		f(opts)
	}
	client := redisconn.New(opts)
	t.Cleanup(func() { client.Close() })
	return client
}

// processes are the servers that this one stands for.
func (s *Server) processes() []*Server {
	if s.cluster != nil {
		s.used = true
		return s.cluster.Nodes()
	}
	return []*Server{s}
}

// Keys returns the keys that match a pattern, in a cluster those of all its nodes.
func (s *Server) Keys(pattern string) ([]string, error) {
	nodes := []*Server{s}
	if s.cluster != nil {
		nodes = s.cluster.masters
	}
	var keys []string
	for _, node := range nodes {
		some, err := node.do("KEYS", pattern).StringSlice()
		if err != nil {
			return nil, err
		}
		keys = append(keys, some...)
	}
	return keys, nil
}

// Kill ends the server as kill -9 does. Killing it twice is no error.
func (s *Server) Kill() {
	for _, p := range s.processes() {
		p.proc.kill()
		p.frozen.Store(false)
	}
}

// Restart starts the server again after Kill, at the same address and with its files.
func (s *Server) Restart() {
	s.t.Helper()
	for _, p := range s.processes() {
		if err := p.launch(); err != nil {
			s.t.Fatalf("redis-server did not start again: %v: %s", err, p.log())
		}
	}
	if s.cluster != nil {
		s.cluster.AwaitWhole()
	}
}

// Freeze stops the server without closing its connections: it takes what is sent and answers nothing.
func (s *Server) Freeze() {
	s.t.Helper()
	for _, p := range s.processes() {
		p.frozen.Store(true)
		p.signal(syscall.SIGSTOP)
	}
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() {
	s.t.Helper()
	for _, p := range s.processes() {
		p.signal(syscall.SIGCONT)
		p.frozen.Store(false)
	}
	if s.cluster != nil {
		s.cluster.AwaitWhole()
	}
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
