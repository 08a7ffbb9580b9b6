package redisconn

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/task"
)

// wrap gives errors of Redis their code. A nil reply is no error here.
func Coded(err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	if task.CodeOf(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	return task.Unavailable(err)
}
