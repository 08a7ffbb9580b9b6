package backbeattest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/internal/redistest"
)

// On a server, each deployment has a database and a clock of its own, and leaves everything else as it was.
func TestStartOnAServer(t *testing.T) {
	ctx := t.Context()
	server := redistest.Start(t)
	var databases []*redis.Client
	for n := range 4 {
		rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), DB: n})
		t.Cleanup(func() { rdb.Close() })
		databases = append(databases, rdb)
	}
	databases[0].Set(ctx, "somebody's", "data", 0)
	databases[1].MSet(ctx, "asynq:{default}:t:old", "of a test that was killed", "backbeattest:used", "by it")
	databases[2].MSet(ctx, "somebody's", "data", "backbeattest:used", "by a test before")
	t.Setenv(backbeattest.RedisURL, "redis://"+server.Addr())

	t.Run("deployments", func(t *testing.T) {
		var runs counter
		d, other := backbeattest.Start(t, nothing.Handle(runs.run)), backbeattest.Start(t)
		created := submit(t, d, client.Delay(day), client.Retention(time.Hour))
		other.Advance(30 * day)
		other.WaitIdle(t.Context())
		wantState(t, d, created.ID, client.Scheduled)
		d.Advance(day)
		d.WaitIdle(t.Context())
		wantState(t, d, created.ID, client.Succeeded)
		if ahead := other.Now().Sub(d.Now()); ahead < 28*day {
			t.Errorf("the clock of another deployment is ahead by %s", ahead)
		}
		for n, rdb := range databases[1:] {
			if owned := rdb.Exists(t.Context(), "backbeattest:owner").Val() == 1; owned != (n != 1) {
				t.Errorf("a test has database %d: %v", n+1, owned)
			}
		}
	})

	for n, rdb := range databases {
		want := []int64{1, 0, 1, 0}[n]
		if n := rdb.DBSize(ctx).Val(); n != want {
			t.Errorf("%s has %d keys, want %d: %v", rdb, n, want, rdb.Keys(ctx, "*").Val())
		}
	}
}

func TestStartOnACluster(t *testing.T) {
	t.Setenv(backbeattest.RedisURL, "redis-cluster://127.0.0.1:1")
	said := fails(t, func(w testing.TB) { backbeattest.Start(w) })
	if !strings.Contains(said, backbeattest.RedisURL+" must be") {
		t.Error(said)
	}
}
