package redisstore_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/redistest"
)

// leaderProcess names the environment variable that makes the test binary a leader at the Redis of that URL.
const leaderProcess = "REDISSTORE_TEST_LEADER"

// runLeader leads, says which term, and then answers each line on its standard input with whether the term is valid.
func runLeader(url string) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		panic(err)
	}
	store := redisstore.NewLease(redis.NewClient(opts))
	ctx, cancel := context.WithCancel(context.Background())
	self := lease.Holder{ID: "process", PID: os.Getpid()}
	lease.NewElector(store, self, shortTTL, slog.New(slog.DiscardHandler), lease.SystemClock()).Run(ctx,
		func(_ context.Context, t lease.Term) {
			defer cancel()
			fmt.Println(t.Number)
			for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
				fmt.Println(t.Valid())
			}
		})
}

const shortTTL = 500 * time.Millisecond

// A leader that was stopped beyond its lease, and is asked in the very moment in which it wakes, does not take itself
// for the leader.
func TestStoppedLeader(t *testing.T) {
	server := redistest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	process := exec.CommandContext(ctx, os.Args[0])
	process.Env = append(os.Environ(), leaderProcess+"="+server.URL())
	process.Stderr = os.Stderr
	in, err := process.StdinPipe()
	must(t, err)
	out, err := process.StdoutPipe()
	must(t, err)
	must(t, process.Start())
	defer func() { _ = process.Wait() }() // it is killed if it has not ended by itself
	defer cancel()
	answers := bufio.NewScanner(out)
	answer := func() string {
		answers.Scan()
		return answers.Text()
	}
	term, err := strconv.ParseInt(answer(), 10, 64)
	must(t, err)

	d := &desk{t, server, server.Client(t), redisstore.NewLease(server.Client(t))}
	must(t, process.Process.Signal(syscall.SIGSTOP))
	redistest.Poll(t, patience, "another gets the lease", func() bool { return d.ask("other", 0, 0, time.Minute).Leads })
	const questions = 100
	_, err = in.Write([]byte(strings.Repeat("valid?\n", questions)))
	must(t, err)
	must(t, process.Process.Signal(syscall.SIGCONT))
	for range questions {
		if got := answer(); got != "false" {
			t.Fatalf("asked whether term %d is valid, the stopped leader says %q", term, got)
		}
	}
	// Its end takes nothing from the other.
	must(t, in.Close())
	must(t, process.Wait())
	if leader, _ := d.leadership(); leader == nil || leader.ID != "other" || leader.Term <= term {
		t.Errorf("%+v leads after term %d", leader, term)
	}
}
