package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// cpuSeconds is the processor time that this process has used.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// program is a process beside this one.
type program struct {
	cmd  *exec.Cmd
	url  string // of its API, if it has one
	rest sync.WaitGroup
}

// startProgram starts a program and waits until it says that it is ready.
func startProgram(ctx context.Context, env []string, path string, args ...string) (*program, error) {
	p := &program{cmd: exec.CommandContext(ctx, path, args...)}
	p.cmd.Env = env
	log, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	last := ""
	for lines := bufio.NewScanner(log); lines.Scan(); last = lines.Text() {
		var line struct{ Msg, API string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			p.url = line.API
			p.rest.Go(func() { _, _ = io.Copy(io.Discard, log) }) // it must not wait for a reader
			return p, nil
		}
	}
	_ = p.cmd.Wait() // its last word says more
	return nil, fmt.Errorf("%s ended before it was ready: %s", path, last)
}

func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	p.rest.Wait()
	_ = p.cmd.Wait()
}

// memory reads a field of /proc/PID/status, in KiB. What wait4 tells instead would include the peak of this process, from
// which the other was forked.
func (p *program) memory(field string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("memory of a process is only known on Linux: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		}
	}
	return 0, fmt.Errorf("the system tells no %s", field)
}
