package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/broker"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
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

// awaitRedis waits until Redis answers, and says so when that takes long. It returns an error if Redis is none that
// can be worked with, or ctx ends.
func awaitRedis(ctx context.Context, rdb redis.UniversalClient, logger *slog.Logger) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		warnings, err := broker.CheckRedis(ctx, rdb)
		for _, w := range warnings {
			logger.Warn(w)
		}
		if err == nil || task.CodeOf(err) != task.CodeUnavailable || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		logger.Warn("redis does not answer; trying again", "error", errors.Unwrap(err))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// quietRedis sends what go-redis has to say of its connections to the debug log: the programs tell of an outage
// in their own words.
type quietRedis struct{ *slog.Logger }

func (q quietRedis) Printf(_ context.Context, format string, args ...any) {
	q.Debug(fmt.Sprintf(format, args...), "component", "go-redis")
}
