package redistest_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

func TestClusterElectsAnother(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, redistest.WithReplicas())
	rdb := c.Client(t)
	if err := rdb.Set(t.Context(), "{q}a", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	before := c.Master("{q}a")
	before.Kill()
	after := c.AwaitFailover("{q}a", before)
	if got, err := after.Client(t).Get(t.Context(), "{q}a").Result(); got != "v" {
		t.Errorf("the new master has %q, %v", got, err)
	}
	before.Restart()
	c.AwaitWhole()
	if got := c.Master("{q}a"); got != after {
		t.Errorf("%s is the master, not %s", got.Addr(), after.Addr())
	}
}

func TestClusterOfWhichAMasterIsAway(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	away := c.Master("a")
	away.Freeze()
	for _, key := range []string{"b", "c"} {
		if c.Slot(key) == c.Slot("a") {
			t.Fatal("they share a slot")
		}
		if node := c.Master(key); node != away {
			if err := node.Client(t).Set(t.Context(), key, "v", 0).Err(); err != nil {
				t.Errorf("a healthy master: %v", err)
			}
		}
	}
	away.Thaw()
	c.AwaitWhole()
	if err := away.Client(t).Set(t.Context(), "a", "v", 0).Err(); err != nil {
		t.Errorf("after the thaw: %v", err)
	}
}

func TestMigration(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	rdb := c.Client(t)
	for _, key := range []string{"{q}a", "{q}b"} {
		if err := rdb.Set(t.Context(), key, key, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	m := c.Migrate("{q}")
	if n := m.Move(1); n != 1 {
		t.Fatalf("%d keys moved", n)
	}
	from := m.From.Client(t)
	if err := from.MGet(t.Context(), "{q}a", "{q}b").Err(); !redis.HasErrorPrefix(err, "TRYAGAIN") {
		t.Errorf("in the middle: %v", err)
	}
	for _, key := range []string{"{q}a", "{q}b"} {
		if got, err := rdb.Get(t.Context(), key).Result(); got != key {
			t.Errorf("%q, %v", got, err)
		}
	}
	m.End()
	if got := c.Master("{q}"); got != m.To {
		t.Errorf("%s is the master", got.Addr())
	}
	if got, err := rdb.MGet(t.Context(), "{q}a", "{q}b").Result(); err != nil || got[0] != "{q}a" || got[1] != "{q}b" {
		t.Errorf("%v, %v", got, err)
	}
}
