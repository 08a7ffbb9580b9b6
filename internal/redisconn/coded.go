package redisconn

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/task"
)

// Coded gives errors of Redis their code, task.CodeUnavailable. A reply of nil is no error.
func Coded(err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	if task.CodeOf(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	return task.Unavailable(err)
}
