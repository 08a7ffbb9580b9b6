package testclock

import (
	"context"
	_ "embed"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/luascript"
	"github.com/backbeat-go/backbeat/task"
)

//go:embed lua/move.lua
var moveSource string

var moveScript = luascript.New(moveSource)

// Prefix begins the keys of the test itself, beside those of the deployment.
const Prefix = "backbeattest:"

// aheadKey is a STRING: by how many ms the time of the deployment is ahead of that of Redis.
const aheadKey = Prefix + "ahead"

// Clock is the time of a deployment on a Redis of its own. It starts as the time of that Redis, runs on with it, and can be moved
// ahead. As a task.Set without types it stands among the options of program.New.
type Clock struct {
	ahead   atomic.Int64 // what is at aheadKey, or was just before
	scripts sync.Map     // SHA1 of a script -> that of the script as it is sent
}

// Handlers returns none.
func (*Clock) Handlers() []*task.Handler { return nil }

// Ahead is how far the clock is ahead of the time of Redis.
func (c *Clock) Ahead() time.Duration { return time.Duration(c.ahead.Load()) * time.Millisecond }

// Local returns the clocks of this machine, ahead by as much.
func (c *Clock) Local() lease.Clock {
	system := lease.SystemClock()
	return func() lease.Instant {
		now, ahead := system(), c.Ahead()
		return lease.Instant{Mono: now.Mono + ahead, Wall: now.Wall.Add(ahead)}
	}
}

// Move moves the clock ahead, in whole milliseconds. rdb is a client without the clock's hook.
func (c *Clock) Move(ctx context.Context, rdb redis.UniversalClient, by time.Duration) error {
	ahead, err := moveScript.Run(ctx, rdb, []string{aheadKey}, by.Milliseconds()).Int64()
	if err != nil {
		return err
	}
	c.ahead.Store(ahead) // after Redis: no program's clock may be ahead of that of the scripts
	return nil
}

// Wrap adds the clock to a client. Programs see by the method Ahead of the client that its time is moved.
func (c *Clock) Wrap(rdb redis.UniversalClient) redis.UniversalClient {
	rdb.AddHook(hook{c})
	return client{rdb, c}
}

// client is a client of a Redis whose time is moved.
type client struct {
	redis.UniversalClient
	clock *Clock
}

// Ahead is how far the time of the deployment is ahead of that of Redis.
func (c client) Ahead() time.Duration { return c.clock.Ahead() }
