package intercept

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

// aheadByAnHour is the clock of a Redis that is an hour ahead of this machine.
type aheadByAnHour struct{}

func (aheadByAnHour) Now() time.Time       { return time.Now().Add(time.Hour) }
func (aheadByAnHour) Ahead() time.Duration { return time.Hour }

// A worker whose clock is an hour slow lists itself, and extends its leases, by the time of Redis.
func TestHeartbeatIsInRedisTime(t *testing.T) {
	l := &Interceptor{clock: aheadByAnHour{}}
	until := time.Now().Add(30 * time.Second)
	moved := l.inRedisTime([]redis.Z{{Score: float64(until.Unix()), Member: "id"}})
	want := float64(until.Add(time.Hour).Unix())
	if got := moved[0]; got.Member != "id" || got.Score < want-1 || got.Score > want+1 {
		t.Errorf("%+v, want a score of %.0f", got, want)
	}
}

// asynq reads the last of a field that a message has twice.
func TestHeartbeatTellsTheWorkersOwnIDInRedisTime(t *testing.T) {
	l := &Interceptor{clock: aheadByAnHour{}, server: &wire.ServerInfo{Host: "h", PID: 1, ID: "0123456789abcdef"}}
	started := time.Unix(1_800_000_000, 5).UTC()
	state := wire.AppendString(nil, wire.NumServerHost, "h")
	state = wire.AppendInt(state, wire.NumServerPID, 1)
	state = wire.AppendString(state, wire.NumServerID, "drawn by asynq")
	state = wire.AppendTimestamp(state, wire.NumServerStarted, started)
	args := l.amendState([]any{10.0, state})
	got, err := wire.DecodeServerInfo(args[1].([]byte))
	if err != nil || got.Name() != "h:1:0123456789abcdef" || !got.StartedAt.Equal(started.Add(time.Hour)) {
		t.Errorf("%+v, %v", got, err)
	}
	if id := wire.WorkerID(got); id != "h:1:01234567" {
		t.Errorf("id %q", id)
	}
	if key := l.rename("asynq:workers:{h:1:drawn by asynq}"); key != "asynq:workers:{h:1:0123456789abcdef}" {
		t.Errorf("key %q", key)
	}
}
