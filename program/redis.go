package program

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/internal/testclock"
)

// dialer is where Redis is. It also satisfies asynq.RedisConnOpt, so that asynqmon gets a client of its own.
type dialer struct {
	opts  *redis.UniversalOptions
	clock *testclock.Clock // nil for the clock of Redis
}

func (a *App) newDialer(cfg config.Redis) (dialer, error) {
	opts, err := cfg.Options()
	if err != nil {
		return dialer{}, fmt.Errorf("redis.url %w", err)
	}
	return dialer{opts, a.options.clock}, nil
}

// MakeRedisClient returns a redis.UniversalClient, the way asynq asks for one.
func (d dialer) MakeRedisClient() any { return redisconn.New(d.opts) }

func (d dialer) open(opts *redis.UniversalOptions) redis.UniversalClient {
	if d.clock == nil {
		return redisconn.New(opts)
	}
	return d.clock.Wrap(redisconn.New(opts))
}

// localClock returns the clock that clocks of Redis' time count with.
func (d dialer) localClock() lease.Clock {
	if d.clock == nil {
		return lease.SystemClock()
	}
	return d.clock.Local()
}

// apiClient returns a client that heeds the deadlines of calls: callers of the API get their answer in time.
func (d dialer) apiClient() redis.UniversalClient {
	opts := *d.opts
	opts.ContextTimeoutEnabled = true
	return d.open(&opts)
}

// workerClient returns a client that sends no command twice by itself: a fetch that is repeated takes two tasks.
func (d dialer) workerClient() redis.UniversalClient {
	opts := *d.opts
	opts.MaxRetries = -1
	return d.open(&opts)
}

// beatClient returns a client that sends no command twice by itself, for a step that is repeated looks as if another had
// been quicker; and that heeds the short time-outs of an election.
func (d dialer) beatClient() redis.UniversalClient {
	opts := *d.opts
	opts.MaxRetries = -1
	opts.ContextTimeoutEnabled = true
	return d.open(&opts)
}

// quietRedis sends what go-redis has to say of its connections to the debug log: the programs tell of an outage
// in their own words.
type quietRedis struct{ *slog.Logger }

func (q quietRedis) Printf(_ context.Context, format string, args ...any) {
	q.Debug(fmt.Sprintf(format, args...), "component", "go-redis")
}
