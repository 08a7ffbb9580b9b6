package redisstore_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/internal/storetest"
)

const prefix = "backbeat:schedules:{beat}:"

func newSchedules(t *testing.T, rdb *redis.Client, queues *storetest.Queues) *redisstore.Schedules {
	t.Helper()
	clock := redisstore.NewClock(rdb, lease.SystemClock(), slog.New(slog.DiscardHandler))
	must(t, clock.Sync(t.Context()))
	return redisstore.NewSchedules(rdb, clock, queues)
}

func TestSchedules(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Client(t)
	storetest.Run(t, func(t *testing.T, queues *storetest.Queues) storetest.Backend {
		must(t, rdb.FlushAll(t.Context()).Err())
		return storetest.Backend{
			Schedules: newSchedules(t, rdb, queues),
			Lease:     redisstore.NewLease(rdb),
			Left: func(t *testing.T) []string {
				keys := rdb.Keys(t.Context(), "*").Val()
				return slices.DeleteFunc(keys, func(key string) bool {
					return slices.Contains([]string{prefix + "leader", prefix + "term", prefix + "beats"}, key)
				})
			},
		}
	})
}

// The history of a schedule that ticks no more goes by itself.
func TestHistoryExpires(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	schedules := newSchedules(t, rdb, &storetest.Queues{})
	_, err := schedules.Update(t.Context(), "s", func(*schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		return &schedule.Schedule{ID: "s"}, []schedule.Run{{Tick: time.UnixMilli(1000), Outcome: schedule.Triggered}}, nil
	})
	must(t, err)
	if ttl := rdb.TTL(t.Context(), prefix+"runs:s").Val(); ttl < 24*time.Hour {
		t.Errorf("it is kept for %s", ttl)
	}
}

// A batch in the outbox that cannot be read is reported, and stays; the others are read.
func TestOwedThatCannotBeRead(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	schedules := newSchedules(t, rdb, &storetest.Queues{})
	const row = "s\ndefault\n1000 1001 1 5\nhello"
	broken := map[string]string{
		"no rows":        "what?",
		"no numbers":     "s\ndefault\none two three four\nhello",
		"too few":        "s\ndefault\n1000 1001 5\nhello",
		"cut off":        row + row[:len(row)-1],
		"negative":       "s\ndefault\n1000 1001 1 -1\nhello",
		"something more": row + "x",
	}
	for id, rows := range broken {
		must(t, rdb.HSet(t.Context(), prefix+"outbox", id, rows).Err())
	}
	must(t, rdb.HSet(t.Context(), prefix+"outbox", "good", row+row).Err())
	var errs []string
	var good []*schedule.Batch
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		list, unread, next, err := schedules.Outbox(t.Context(), cursor)
		must(t, err)
		for _, err := range unread {
			errs = append(errs, err.Error())
		}
		good, cursor = append(good, list...), next
	}
	for id := range broken {
		if !slices.ContainsFunc(errs, func(text string) bool { return strings.HasPrefix(text, id+" in ") }) {
			t.Errorf("no error for %q: %q", id, errs)
		}
	}
	if len(good) != 1 || len(good[0].Entries) != 2 || string(good[0].Entries[1].Message) != "hello" {
		t.Errorf("read %+v", good)
	}
}

// Pages and answers are bounded in bytes, and all schedules are read all the same.
func TestLargeSchedules(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	schedules := newSchedules(t, rdb, &storetest.Queues{})
	payload := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
	var ids []string
	for i := range 20 {
		id := fmt.Sprintf("s%02d", i)
		ids = append(ids, id)
		_, err := schedules.Update(t.Context(), id, func(*schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
			s := &schedule.Schedule{ID: id}
			s.Spec.Task.Payload = payload
			return s, nil, nil
		})
		must(t, err)
	}
	var listed []string
	for cursor, first := "", true; first || cursor != ""; first = false {
		list, next, err := schedules.List(t.Context(), cursor, 1000)
		must(t, err)
		if len(list) > 10 {
			t.Errorf("a page has %d schedules of 1 MiB", len(list))
		}
		for _, s := range list {
			listed = append(listed, s.ID)
		}
		cursor = next
	}
	if !slices.Equal(listed, ids) {
		t.Errorf("listed %q", listed)
	}
	loaded, err := schedules.Load(t.Context(), ids)
	must(t, err)
	for i, l := range loaded {
		if l == nil || l.ID != ids[i] {
			t.Errorf("%s was not loaded", ids[i])
		}
	}
}
