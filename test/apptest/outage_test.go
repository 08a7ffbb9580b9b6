package apptest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Redis goes away under load in three ways and comes back.
func TestOutage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		length time.Duration
		begin  func(*traffic)
		end    func(*traffic)
	}{
		{"killed", 8 * time.Second, func(tr *traffic) { tr.redis.Kill() }, func(tr *traffic) { tr.redis.Restart() }},
		{"silent", 30 * time.Second, func(tr *traffic) { tr.redis.Freeze() }, func(tr *traffic) { tr.redis.Thaw() }},
		{"swallowing", 8 * time.Second, func(tr *traffic) { tr.link.Silence() }, (*traffic).pass},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr := newTraffic(t)
			tr.hold("before", "middle", "late", "after")
			tr.load(8)
			tr.hook.waitCalls(t, 500)
			tr.hook.release("before") // its end may be on its way when Redis goes

			tt.begin(tr)
			began := time.Now()
			used := tr.worker.cpu()
			<-time.After(tt.length / 2)
			tr.hook.release("middle")
			// When Redis has been away for as long as a lease lasts, all leases have ended.
			<-time.After(time.Until(began.Add(tt.length - 500*time.Millisecond)))
			tr.hook.release("late")
			<-time.After(time.Until(began.Add(tt.length)))
			used = tr.worker.cpu() - used
			share := used.Seconds() / time.Since(began).Seconds()
			t.Logf("the worker used %.2f%% of a core while redis was away", 100*share)
			if share >= 0.05 {
				t.Error("that is 5% or more")
			}
			tt.end(tr)
			tr.checkResumes(time.Now())
			tr.hook.release("after")
			tr.stopLoad()
			tr.checkHeld(1)
			t.Logf("the answers to the fetches of %d tasks were lost", tr.checkLoad())
		})
	}
}

// Redis is killed again and again, with no pause to speak of in between.
func TestRedisThatKeepsDying(t *testing.T) {
	t.Parallel()
	tr := newTraffic(t)
	tr.load(8)
	for range 4 {
		tr.hook.waitCalls(t, tr.hook.total()+300)
		tr.redis.Kill()
		tr.redis.Restart()
		tr.checkResumes(time.Now())
	}
	tr.stopLoad()
	t.Logf("the answers to the fetches of %d tasks were lost", tr.checkLoad())
}

// cpu is how long the program has been on a core.
func (p *program) cpu() time.Duration {
	p.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	// The name, in brackets, may hold spaces. utime and stime are the 12th and 13th fields behind it, in ticks of 10 ms.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			p.t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
