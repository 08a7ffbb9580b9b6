package broker

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// A worker whose clock is an hour slow lists itself, and extends its leases, by the time of Redis.
func TestHeartbeatIsInRedisTime(t *testing.T) {
	l := &lane{clock: newClock(nil)}
	l.clock.add(l.clock.base.Add(time.Hour), 0)
	until := time.Now().Add(30 * time.Second)
	moved := l.inRedisTime([]redis.Z{{Score: float64(until.Unix()), Member: "id"}})
	want := float64(until.Add(time.Hour).Unix())
	if got := moved[0]; got.Member != "id" || got.Score < want-1 || got.Score > want+1 {
		t.Errorf("%+v, want a score of %.0f", got, want)
	}
}
