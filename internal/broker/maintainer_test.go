package broker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/internal/task"
)

// commandsOf returns how many commands Redis has carried out, those inside scripts included.
func commandsOf(t *testing.T, rdb redis.UniversalClient) int {
	t.Helper()
	info, err := rdb.Info(t.Context(), "stats").Result()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	_, rest, _ := strings.Cut(info, "total_commands_processed:")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Idle workers cost few commands, however many queues there are, and with results that are kept.
func TestIdleWorkerCostsLittle(t *testing.T) {
	for _, c := range []struct{ queues, most int }{{3, 15}, {100, 100}, {1000, 500}} {
		t.Run(fmt.Sprint(c.queues), func(t *testing.T) {
			t.Parallel()
			f := newFleetOn(t, redistest.Start(t))
			rdb := f.redis.Client(t)
			many := make([]broker.Queue, c.queues)
			names := make([]string, c.queues)
			for i := range many {
				names[i] = fmt.Sprintf("q%d", i)
				many[i] = broker.Queue{Name: names[i], Weight: 1}
			}
			f.registry = task.NewRegistry(names, time.Hour)
			define(f, "echo", func(_ context.Context, in input) (output, error) { return output(in), nil })
			f.worker(func(cfg *broker.ServerConfig) { cfg.Queues = many })
			f.wait(f.enqueue(task.Request{Type: "echo", Queue: names[0]}).ID)
			f.waitUntil(time.Now().Add(2 * time.Second)) // for the start to be over
			before, start := commandsOf(t, rdb), time.Now()
			f.waitUntil(start.Add(3 * time.Second))
			n, took := commandsOf(t, rdb)-before, time.Since(start)
			t.Logf("%.1f commands/s", float64(n)/took.Seconds())
			// Twice as many are no failure: what happens every few seconds may have happened more often.
			if most := 2 * c.most * int(took.Seconds()+1); n > most {
				t.Errorf("%d commands in %s, want %d at most", n, took, most)
			}
		})
	}
}
var _ = asynq.Retention
