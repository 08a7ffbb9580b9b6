package worker

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/recovery"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redistest"
)

// fastRedis is the clock of a Redis that is an hour ahead of this machine.
type fastRedis struct{}

func (fastRedis) Now() time.Time       { return time.Now().Add(time.Hour) }
func (fastRedis) Ahead() time.Duration { return time.Hour }
func (fastRedis) Close()               {}

// A worker whose clock is an hour slow knows when leases should have been extended, and when tasks are due.
func TestMaintenanceIsInRedisTime(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	s := &Server{cfg: Config{Queues: []fleet.Queue{{Name: "q", Weight: 1}}}, rdb: rdb, clock: fastRedis{}}
	byRedis := time.Now().Add(time.Hour)
	for id, end := range map[string]time.Duration{"late": 10 * time.Second, "extended": 29 * time.Second} {
		z := redis.Z{Score: float64(byRedis.Add(end).Unix()), Member: id}
		if err := rdb.ZAdd(t.Context(), wire.LeaseKey("q"), z).Err(); err != nil {
			t.Fatal(err)
		}
	}
	watch := make(recovery.LeaseWatch)
	if _, err := recovery.New(rdb, s.clock.Ahead).FindDead(t.Context(), "q", watch, time.Now()); err != nil || len(watch) != 1 || watch["late"].Lease == 0 {
		t.Errorf("%v, %v", watch, err)
	}

	z := redis.Z{Score: float64(byRedis.Add(time.Minute).UnixMilli()), Member: "id"}
	if err := rdb.ZAdd(t.Context(), wire.DueKey("q"), z).Err(); err != nil {
		t.Fatal(err)
	}
	m := newMaintainer(s)
	u := m.queues["q"]
	u.maintained = true
	m.readSets(t.Context(), []queueSet{{u, u.sets[0]}})
	if wait := time.Until(u.jobs[jobForward].at); wait < 50*time.Second || wait > time.Minute {
		t.Errorf("the task is due in a minute, and forwarded in %s", wait)
	}
}
