package beat_test

import (
	"log/slog"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
)

func clockOf(t *testing.T, rdb redis.UniversalClient) *redisstore.Clock {
	t.Helper()
	clock := redisstore.NewClock(rdb, lease.SystemClock(), slog.New(slog.DiscardHandler))
	if err := clock.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return clock
}
