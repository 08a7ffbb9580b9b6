package redisstore_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/audit"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

func TestAuditKeepsTheNewest(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	log := redisstore.NewAudit(rdb)
	t.Cleanup(log.Close)
	if entries, next, err := log.Entries(t.Context(), "", 10); len(entries) > 0 || next != "" || err != nil {
		t.Errorf("before the first: %v, %q, %v", entries, next, err)
	}
	// Most of them at once, as Record would add them one by one.
	_, err := rdb.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := range 9_990 {
			p.XAdd(t.Context(), &redis.XAddArgs{Stream: "backbeat:audit", Values: []any{"entry", fmt.Sprintf(`{"target":"old-%d"}`, i)}})
		}
		return nil
	})
	must(t, err)
	at := time.UnixMilli(1_795_000_000_000).UTC()
	for i := range 20 {
		must(t, log.Record(t.Context(), &audit.Entry{
			Time: at, RequestID: "r", Principal: "key:ops", Action: "task.cancel", Target: fmt.Sprint(i), Detail: "d", Status: 200, RemoteAddr: "192.0.2.1",
		}))
	}
	entries, next, err := log.Entries(t.Context(), "", 1)
	must(t, err)
	want := []audit.Entry{{
		Time: at, RequestID: "r", Principal: "key:ops", Action: "task.cancel", Target: "19", Detail: "d", Status: 200, RemoteAddr: "192.0.2.1",
	}}
	if diff := cmp.Diff(want, entries); diff != "" || next == "" {
		t.Errorf("next %q: %s", next, diff)
	}
	n, last := 0, ""
	for cursor := ""; n == 0 || cursor != ""; {
		entries, cursor, err = log.Entries(t.Context(), cursor, 999)
		must(t, err)
		for _, e := range entries {
			if n++; n <= 20 && e.Target != fmt.Sprint(20-n) {
				t.Errorf("%s is in place %d", e.Target, n)
			}
			last = e.Target
		}
	}
	if n != 10_000 || last != "old-10" {
		t.Errorf("%d entries, the last of them %s", n, last)
	}
}

// An entry is there when Record returns, however many are recorded at once.
func TestAuditOfManyAtOnce(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	log := redisstore.NewAudit(rdb)
	t.Cleanup(log.Close)
	var recording sync.WaitGroup
	for i := range 500 {
		recording.Go(func() {
			if err := log.Record(t.Context(), &audit.Entry{Target: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
			if entries := rdb.XRevRange(t.Context(), "backbeat:audit", "+", "-").Val(); !slices.ContainsFunc(entries, func(m redis.XMessage) bool {
				return strings.Contains(fmt.Sprint(m.Values["entry"]), fmt.Sprintf(`"target":"%d"`, i))
			}) {
				t.Errorf("entry %d is not there", i)
			}
		})
	}
	recording.Wait()
	if n := rdb.XLen(t.Context(), "backbeat:audit").Val(); n != 500 {
		t.Errorf("%d entries", n)
	}
}

func TestAuditErrors(t *testing.T) {
	server := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { rdb.Close() })
	log := redisstore.NewAudit(rdb)
	t.Cleanup(log.Close)
	for _, cursor := range []string{"x", "1", "+", "1-18446744073709551616"} {
		if _, _, err := log.Entries(t.Context(), cursor, 1); task.CodeOf(err) != task.CodeInvalid {
			t.Errorf("cursor %s: %v", cursor, err)
		}
	}
	server.Kill()
	if err := log.Record(t.Context(), &audit.Entry{}); task.CodeOf(err) != task.CodeUnavailable {
		t.Errorf("record: %v", err)
	}
	if _, _, err := log.Entries(t.Context(), "", 1); task.CodeOf(err) != task.CodeUnavailable {
		t.Errorf("entries: %v", err)
	}
}
