package backbeattest

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/localredis"
	"github.com/backbeat-go/backbeat/internal/testclock"
)

// The script has the names of the queue's keys by itself; they must be those of the broker.
func TestWorkOfEachKind(t *testing.T) {
	server, err := localredis.StartEmbedded()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	opts, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	t.Cleanup(func() { rdb.Close() })
	d := &Deployment{queues: []string{"q"}, moved: (&testclock.Clock{}).Wrap(rdb)}
	now := time.Now().Truncate(time.Second)
	ctx := t.Context()
	add := map[string]func() error{
		kindRunning: func() error { return rdb.LPush(ctx, wire.ActiveKey("q"), "a").Err() },
		kindPending: func() error { return rdb.LPush(ctx, wire.PendingKey("q"), "a").Err() },
		kindDue: func() error {
			return rdb.ZAdd(ctx, wire.DueKey("q"), redis.Z{Member: "a", Score: float64(now.UnixMilli())}).Err()
		},
		kindExpired: func() error {
			return rdb.ZAdd(ctx, wire.ExpiresKey("q"), redis.Z{Member: "a", Score: float64(now.UnixMilli())}).Err()
		},
		kindOver: func() error {
			return rdb.ZAdd(ctx, wire.CompletedKey("q"), redis.Z{Member: "a", Score: float64(now.Unix())}).Err()
		},
		kindCallbacks: func() error {
			return rdb.XAdd(ctx, &redis.XAddArgs{Stream: wire.CallbacksKey("q"), Values: []string{"id", "a"}}).Err()
		},
		kindEnds: func() error {
			return rdb.XAdd(ctx, &redis.XAddArgs{Stream: wire.HistoryKey("q"), Values: []string{"id", "a"}}).Err()
		},
	}
	for kind, add := range add {
		t.Run(kind, func(t *testing.T) {
			rdb.FlushDB(ctx)
			if err := add(); err != nil {
				t.Fatal(err)
			}
			w, err := d.readWork(ctx)
			if err != nil || len(w.items) != 1 || w.items[0].kind != kind || w.items[0].count != 1 {
				t.Errorf("there is to do: %+v, %v", w.items, err)
			}
		})
	}
	rdb.FlushDB(ctx)
	rdb.ZAdd(ctx, wire.RetryKey("q"), redis.Z{Member: "a", Score: float64(now.Unix() + 3600)})
	if w, err := d.readWork(ctx); err != nil || len(w.items) > 0 || !w.next.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v, %v; want nothing to do until %s", w, err, now.Add(time.Hour))
	}
}
