package broker

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/redistest"
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

// A worker whose clock is an hour slow knows when leases should have been extended, and when tasks are due.
func TestMaintenanceIsInRedisTime(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	s := &Server{cfg: ServerConfig{Queues: []Queue{{Name: "q", Weight: 1}}}, rdb: rdb, lane: &lane{clock: newClock(nil)}}
	s.lane.clock.add(s.lane.clock.base.Add(time.Hour), 0)
	byRedis := time.Now().Add(time.Hour)
	for id, end := range map[string]time.Duration{"late": 10 * time.Second, "extended": 29 * time.Second} {
		z := redis.Z{Score: float64(byRedis.Add(end).Unix()), Member: id}
		if err := rdb.ZAdd(t.Context(), leaseKey("q"), z).Err(); err != nil {
			t.Fatal(err)
		}
	}
	watch := make(map[ref]watched)
	if _, err := s.watchLeases(t.Context(), "q", watch, time.Now()); err != nil || len(watch) != 1 || watch[ref{"q", "late"}].lease == 0 {
		t.Errorf("%v, %v", watch, err)
	}

	z := redis.Z{Score: float64(byRedis.Add(time.Minute).UnixMilli()), Member: "id"}
	if err := rdb.ZAdd(t.Context(), dueKey("q"), z).Err(); err != nil {
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

// asynq reads the last of a field that a message has twice.
func TestHeartbeatTellsTheWorkersOwnIDInRedisTime(t *testing.T) {
	l := &lane{clock: newClock(nil), server: &serverInfo{Host: "h", PID: 1, ID: "0123456789abcdef"}}
	l.clock.add(l.clock.base.Add(time.Hour), 0)
	started := time.Unix(1_800_000_000, 5).UTC()
	state := appendString(nil, numServerHost, "h")
	state = appendInt(state, numServerPID, 1)
	state = appendString(state, numServerID, "drawn by asynq")
	state = appendTimestamp(state, numServerStarted, started)
	args := l.amendState([]any{10.0, state})
	got, err := decodeServerInfo(args[1].([]byte))
	if err != nil || got.name() != "h:1:0123456789abcdef" || !got.StartedAt.Equal(started.Add(time.Hour)) {
		t.Errorf("%+v, %v", got, err)
	}
	if id := workerID(got); id != "h:1:01234567" {
		t.Errorf("id %q", id)
	}
	if key := l.rename("asynq:workers:{h:1:drawn by asynq}"); key != "asynq:workers:{h:1:0123456789abcdef}" {
		t.Errorf("key %q", key)
	}
}
