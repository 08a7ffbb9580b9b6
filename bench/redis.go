package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// server is the redis-server of a run.
type server struct {
	addr string
	dir  string
	cmd  *exec.Cmd
	rdb  *redis.Client // for looking on
}

func startRedis(ctx context.Context) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	_ = l.Close() // only the port was wanted
	dir, err := os.MkdirTemp("", "backbeat-bench-")
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(addr, ":")
	s := &server{addr: addr, dir: dir, rdb: redis.NewClient(&redis.Options{Addr: addr})}
	s.cmd = exec.CommandContext(ctx, "redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", dir, "--logfile", "redis.log")
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	for s.rdb.Ping(ctx).Err() != nil {
		if ctx.Err() != nil {
			s.stop()
			return nil, ctx.Err()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return s, nil
}

func (s *server) stop() {
	_ = s.rdb.Close()
	_ = s.cmd.Process.Kill() // it holds nothing worth keeping
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

// stat reads a number out of INFO.
func (s *server) stat(ctx context.Context, section, name string) float64 {
	for line := range strings.Lines(s.rdb.Info(ctx, section).Val()) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return n
		}
	}
	return 0
}

// watchSlow makes Redis note each command that takes more than a tenth of a millisecond; scripts count whole.
func (s *server) watchSlow(ctx context.Context) error {
	for name, value := range map[string]string{"slowlog-log-slower-than": "100", "slowlog-max-len": "1000000"} {
		if err := s.rdb.ConfigSet(ctx, name, value).Err(); err != nil {
			return err
		}
	}
	return s.rdb.Do(ctx, "SLOWLOG", "RESET").Err()
}

// slowest returns how long the longest command took since watchSlow, in milliseconds.
func (s *server) slowest(ctx context.Context) (float64, error) {
	logged, err := s.rdb.SlowLogGet(ctx, -1).Result()
	longest := 100 * time.Microsecond
	for _, command := range logged {
		if command.Args[0] == "SLOWLOG" { // freeing a long log takes milliseconds
			continue
		}
		longest = max(longest, command.Duration)
	}
	return 1000 * longest.Seconds(), err
}

// usage is what has been used up to now.
type usage struct {
	commands float64 // that Redis has run, those inside scripts as well
	redisCPU float64 // seconds
	ownCPU   float64 // seconds of this process
}

func (s *server) usage(ctx context.Context) usage {
	return usage{
		commands: s.stat(ctx, "stats", "total_commands_processed"),
		redisCPU: s.stat(ctx, "cpu", "used_cpu_user") + s.stat(ctx, "cpu", "used_cpu_sys"),
		ownCPU:   cpuSeconds(),
	}
}
