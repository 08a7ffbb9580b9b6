package program

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/redisconn"
)

// dialer is where Redis is. It also satisfies asynq.RedisConnOpt, so that asynqmon gets a client of its own.
type dialer struct{ opts *redis.UniversalOptions }

func newDialer(cfg config.Redis) (dialer, error) {
	opts, err := cfg.Options()
	if err != nil {
		return dialer{}, fmt.Errorf("redis.url %w", err)
	}
	return dialer{opts}, nil
}

// MakeRedisClient returns a redis.UniversalClient, the way asynq asks for one.
func (d dialer) MakeRedisClient() any { return d.client() }

func (d dialer) client() redis.UniversalClient { return redisconn.New(d.opts) }

// apiClient returns a client that heeds the deadlines of calls: callers of the API get their answer in time.
func (d dialer) apiClient() redis.UniversalClient {
	opts := *d.opts
	opts.ContextTimeoutEnabled = true
	return redisconn.New(&opts)
}

// workerClient returns a client that sends no command twice by itself: a fetch that is repeated takes two tasks.
func (d dialer) workerClient() redis.UniversalClient {
	opts := *d.opts
	opts.MaxRetries = -1
	return redisconn.New(&opts)
}

// beatClient returns a client that sends no command twice by itself, for a step that is repeated looks as if another had
// been quicker; and that heeds the short time-outs of an election.
func (d dialer) beatClient() redis.UniversalClient {
	opts := *d.opts
	opts.MaxRetries = -1
	opts.ContextTimeoutEnabled = true
	return redisconn.New(&opts)
}

// quietRedis sends what go-redis has to say of its connections to the debug log: the programs tell of an outage
// in their own words.
type quietRedis struct{ *slog.Logger }

func (q quietRedis) Printf(_ context.Context, format string, args ...any) {
	q.Debug(fmt.Sprintf(format, args...), "component", "go-redis")
}
