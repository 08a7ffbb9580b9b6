package typestore

import (
	"context"
	"embed"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/task"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var (
	putScript   = newScript("put")
	renewScript = newScript("renew")
	leaveScript = newScript("leave")
	loadScript  = newScript("load")
)

// script is a Lua script on the keys of this package.
type script struct{ *redis.Script }

// newScript returns the script lua/name.lua with the prelude. It panics if there is none, which is known when the program starts.
func newScript(name string) script { return script{redis.NewScript(read("prelude") + read(name))} }

func read(name string) string {
	source, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err)
	}
	return string(source)
}

func (s script) run(ctx context.Context, rdb redis.Scripter, ttl time.Duration, args ...any) *redis.Cmd {
	return s.Run(ctx, rdb, keys, append([]any{ttl.Milliseconds(), LiveFor.Milliseconds()}, args...)...)
}

// unavailable gives errors of Redis their code.
func unavailable(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return task.Unavailable(err)
}
