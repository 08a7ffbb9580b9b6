package httpapi_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/task"
)

// waitingRoom tells of those who wait.
type waitingRoom struct {
	httpapi.Tasks
	arrived chan struct{}
}

func (w *waitingRoom) Wait(ctx context.Context, id string) (*task.Task, error) {
	w.arrived <- struct{}{}
	return w.Tasks.Wait(ctx, id)
}

// A request that waits holds its connection, whose buffers net/http does not give back, and two goroutines.
func TestMemoryOfThoseWhoWait(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	const waiters, bound = 500, 36 << 10
	room := &waitingRoom{arrived: make(chan struct{}, waiters+1)}
	base, _ := serveBroker(t, func(c *httpapi.Config) { room.Tasks, c.Tasks = c.Tasks, room })
	want(t, 202, "POST", base+"/v1/tasks", `{"type":"echo","id":"x","delay":"1h"}`)
	each := func(before uint64) int64 {
		for range 3 { // stacks shrink by half at a time
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc+m.StackInuse-before) / waiters
	}
	before := uint64(each(0)) * waiters
	for range waiters {
		dial(t, base, "GET /v1/tasks/x?wait=60s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\n\r\n")
	}
	for range waiters {
		<-room.arrived
	}
	want(t, 200, "GET", base+"/v1/tasks/x?wait=1s", "") // by when the others have come to rest
	var now int64
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if now = each(before); now <= bound {
			t.Logf("each takes %d bytes", now)
			return
		}
	}
	t.Errorf("each takes %d bytes, want %d at most", now, bound)
}
