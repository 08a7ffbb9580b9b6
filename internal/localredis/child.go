package localredis

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxSocketPath is the longest path of a socket that all systems support.
const maxSocketPath = 100

// child is a redis-server that is restarted when it dies.
type child struct {
	binary, dir, socket string
	logger              *slog.Logger
	quit                chan struct{} // closed to stop the child
	wg                  sync.WaitGroup
}

func startChild(ctx context.Context, binary, dir string, logger *slog.Logger) (*Server, error) {
	socket, removeSocket, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	c := &child{binary: binary, dir: dir, socket: socket, logger: logger, quit: make(chan struct{})}
	c.stopOrphan(ctx)
	first, err := c.start()
	if err != nil {
		removeSocket()
		return nil, err
	}
	c.wg.Go(func() { c.keepRunning(first) })
	stop := func() {
		close(c.quit)
		c.wg.Wait()
		removeSocket()
	}
	if err := c.awaitReady(ctx, first); err != nil {
		stop()
		return nil, err
	}
	logger.Info("started redis", "binary", binary, "data", dir, "socket", socket)
	return &Server{url: "redis-socket://" + socket, stop: stop}, nil
}

// socketPath returns the path of the socket: in dir or, if that path would be too long, in a temporary directory.
func socketPath(dir string) (path string, remove func(), err error) {
	path = filepath.Join(dir, "redis.sock")
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	private, err := os.MkdirTemp("", "backbeat-")
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(private, "redis.sock"), func() { _ = os.RemoveAll(private) }, nil
}

func (c *child) client() *redis.Client {
	return redis.NewClient(&redis.Options{Network: "unix", Addr: c.socket, MaxRetries: -1, DialerRetries: 1})
}

// stopOrphan stops a Redis that is still running because an earlier program was killed.
func (c *child) stopOrphan(ctx context.Context) {
	rdb := c.client()
	defer rdb.Close()
	if rdb.Ping(ctx).Err() != nil {
		return
	}
	c.logger.Warn("stopping the redis of an earlier run", "socket", c.socket)
	_ = rdb.ShutdownSave(ctx).Err() // Redis exits without a reply
	for rdb.Ping(ctx).Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// process is one run of the child.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // of Wait, once done is closed
}

func (c *child) start() (*process, error) {
	cmd := exec.Command(c.binary,
		"--port", "0", "--unixsocket", c.socket, "--unixsocketperm", "700",
		"--dir", c.dir, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
		"--maxmemory-policy", "noeviction", "--logfile", "redis.log", "--daemonize", "no")
	cmd.SysProcAttr = childAttr()
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Pdeathsig is sent when the thread that forked ends, not the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.binary, err)
	}
	return p, nil
}

// awaitReady waits until the child replies, which it does not do while it loads its file.
func (c *child) awaitReady(ctx context.Context, p *process) error {
	rdb := c.client()
	defer rdb.Close()
	for {
		if rdb.Ping(ctx).Err() == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended at once, see %s: %w", c.binary, filepath.Join(c.dir, "redis.log"), p.err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// keepRunning restarts the child whenever it dies, until quit is closed.
func (c *child) keepRunning(p *process) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		started := time.Now()
		select {
		case <-c.quit:
			p.stop()
			return
		case <-p.done:
			c.logger.Error("redis died; restarting it", "error", p.err)
		}
		if time.Since(started) > time.Minute {
			wait = 100 * time.Millisecond
		}
		for p = nil; p == nil; {
			select {
			case <-c.quit:
				return
			case <-time.After(wait):
			}
			var err error
			if p, err = c.start(); err != nil {
				c.logger.Error("cannot start redis", "error", err)
			}
		}
	}
}

// stop sends SIGTERM to the process and, if it does not end within stopGrace, kills it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that the process has ended
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}
