package redisstore

import (
	"context"
	"embed"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/task"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var (
	acquireScript    = script("lease_acquire")
	resignScript     = script("lease_resign")
	leadershipScript = script("lease_leadership")
	timeScript       = script("lease_time")

	loadScript      = script("load")
	updateScript    = script("update")
	deleteScript    = script("delete")
	dropTicksScript = script("drop_ticks")
	commitScript    = script("commit")
	ackScript       = script("ack")

	takeScript = script("take")
)

// script returns the script lua/name.lua. It panics if there is none, which is known when the program starts.
func script(name string) *redis.Script {
	source, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err)
	}
	return redis.NewScript(string(source))
}

// unavailable gives errors of Redis their code.
func unavailable(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return task.Unavailable(err)
}
