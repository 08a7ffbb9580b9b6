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

// maxSocketPath is what every system can take as the path of a socket.
const maxSocketPath = 100

// child is a redis-server that is kept running.
type child struct {
	binary, dir, socket string
	logger              *slog.Logger
	quit                chan struct{} // closed to end it
	wg                  sync.WaitGroup
}

func startChild(ctx context.Context, binary, dir string, logger *slog.Logger) (*Server, error) {
	socket, removeSocket, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	c := &child{binary: binary, dir: dir, socket: socket, logger: logger, quit: make(chan struct{})}
	c.endOrphan(ctx)
	first, err := c.launch()
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
	logger.Info("started a redis of its own", "binary", binary, "data", dir, "socket", socket)
	return &Server{url: "redis-socket://" + socket, stop: stop}, nil
}

// socketPath is in the directory itself, unless the path would be longer than the system allows.
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

// endOrphan ends what a program left running that was killed where children outlive it.
func (c *child) endOrphan(ctx context.Context) {
	rdb := c.client()
	defer rdb.Close()
	if rdb.Ping(ctx).Err() != nil {
		return
	}
	c.logger.Warn("ending a redis that an earlier run left behind", "socket", c.socket)
	_ = rdb.ShutdownSave(ctx).Err() // Redis ends instead of answering
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
	done chan struct{} // closed when it has ended
	err  error         // how it ended, once done is closed
}

func (c *child) launch() (*process, error) {
	cmd := exec.Command(c.binary,
		"--port", "0", "--unixsocket", c.socket, "--unixsocketperm", "700",
		"--dir", c.dir, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
		"--maxmemory-policy", "noeviction", "--logfile", "redis.log", "--daemonize", "no")
	cmd.SysProcAttr = childAttr()
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Where the system ends the child with its parent, it means the thread that forked.
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

// awaitReady waits until the child answers, which it does not while it reads its file.
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

// keepRunning starts the child again whenever it dies, until it is to end.
func (c *child) keepRunning(p *process) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		began := time.Now()
		select {
		case <-c.quit:
			p.end()
			return
		case <-p.done:
			c.logger.Error("redis died and is started again", "error", p.err)
		}
		if time.Since(began) > time.Minute {
			wait = 100 * time.Millisecond
		}
		for p = nil; p == nil; {
			select {
			case <-c.quit:
				return
			case <-time.After(wait):
			}
			var err error
			if p, err = c.launch(); err != nil {
				c.logger.Error("redis does not start", "error", err)
			}
		}
	}
}

// end asks the child to end, and makes it if it does not.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-p.done: // how it ended matters no more
	case <-time.After(stopGrace):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}
