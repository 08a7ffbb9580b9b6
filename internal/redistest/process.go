package redistest

import (
	"os/exec"
	"runtime"
)

// process is a child that dies with the test, even with one that is killed.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has ended
}

// startProcess starts the command from an OS thread that lives as long as the child. Linux sends the signal of
// Pdeathsig when the thread that forked ends, not the process, and Go ends idle threads as it likes.
func startProcess(cmd *exec.Cmd) (*process, error) {
	dieWithParent(cmd)
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is killed, and says so
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error means that it is dead already
	<-p.done
}
