package intercept

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/task"
)

// A worker whose clock is an hour fast or slow gives each attempt the time up to its task's deadline, by the clock of Redis.
func TestDeadlineIsInRedisTime(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Hour, 0, time.Hour} {
		byRedis := time.Now().Add(ahead)
		due := byRedis.Add(10 * time.Minute)
		m := wire.NewMessage(&task.Task{
			ID: "a", Type: "t", Queue: "q", CreatedAt: byRedis.Add(-time.Second), Deadline: due, MaxRetries: 3, Timeout: 2 * time.Hour,
		})
		raw := string(m.Encode())
		a := &Attempt{Queue: "q", ID: "a", Number: 1, Message: m, raw: raw, ahead: ahead}

		ctx, cancel := a.Context(t.Context())
		end, ok := ctx.Deadline()
		if left := time.Until(end); !ok || left > 10*time.Minute || left < 8*time.Minute {
			t.Errorf("%s ahead: the context ends in %s", ahead, left)
		}
		cancel()
		handed, err := wire.DecodeMessage([]byte(a.forAsynq()))
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(time.Unix(handed.Deadline, 0)); left > 10*time.Minute+2*time.Second || left < 8*time.Minute {
			t.Errorf("%s ahead: asynq ends it in %s", ahead, left)
		}
		if waited, known := a.Begin(); !known || waited < 0 || waited > 2*time.Minute {
			t.Errorf("%s ahead: it has waited for %s, %v", ahead, waited, known)
		}
		if outcome, _ := a.Fail(context.Background(), context.DeadlineExceeded, time.Minute); outcome != task.Retrying {
			t.Errorf("%s ahead: with nine minutes left after the next try it is %s", ahead, outcome)
		}
		final, err := wire.DecodeMessage(a.finalMessage(time.Now().Add(ahead)))
		if err != nil {
			t.Fatal(err)
		}
		if off := time.Unix(final.LastFailedAt, 0).Sub(byRedis).Abs(); off > 2*time.Minute || final.Deadline != m.Deadline {
			t.Errorf("%s ahead: failed %s off, deadline %d, was %d", ahead, off, final.Deadline, m.Deadline)
		}
	}
}

// A handler gets a large payload whole, may change it, and asynq's heartbeat does not copy it to Redis.
func TestLargePayloadsAreNotHandedToAsynq(t *testing.T) {
	for size, handed := range map[int]bool{0: true, handedPayload: true, handedPayload + 1: false, 1 << 20: false} {
		m := wire.NewMessage(&task.Task{ID: "a", Type: "t", Queue: "q", Payload: bytes.Repeat([]byte("x"), size), MaxRetries: 3})
		raw := string(m.Encode())
		a := &Attempt{Message: m, raw: raw}
		got, err := wire.DecodeMessage([]byte(a.forAsynq()))
		if err != nil || got.ID != "a" || got.Type != "t" || got.Retry != 3 {
			t.Errorf("%d bytes: %+v, %v", size, got, err)
		}
		if (len(got.Payload) == size) != handed || len(a.forAsynq()) > handedPayload+200 {
			t.Errorf("of %d bytes asynq gets %d", size, len(got.Payload))
		}
		if string(m.Encode()) != raw {
			t.Errorf("the message of %d bytes has changed", size)
		}
	}
}
