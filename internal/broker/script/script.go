// Package script runs the broker's Lua scripts. Each has a file lua/NAME.lua, which states KEYS, ARGV and what it returns, and
// one function here, which takes and returns Go values. lua/prelude.lua lists the keys that the scripts work on.
//
// A script works on the keys of one queue, which share a slot of a cluster. An error of the keys of one task is that task's
// own: it is returned beside what the script did for the other tasks. An error of the whole server ends the script.
package script

import (
	"context"
	"embed"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/luascript"
)

//go:embed lua/*.lua
var files embed.FS

var scripts = luascript.Open(files, "lua")

// script is a script on the keys of one queue. Its ARGV begins with what the prelude reads.
type script struct{ luascript.Script }

func named(name string) script { return script{scripts.Script(name)} }

func (s script) run(ctx context.Context, rdb redis.Scripter, queue string, keys []string, args ...any) *redis.Cmd {
	return s.Run(ctx, rdb, keys, withPrefixes(queue, args)...)
}

func withPrefixes(queue string, args []any) []any {
	return append([]any{wire.AsynqPrefix(queue), wire.OwnPrefix(queue)}, args...)
}

// Damaged is a task whose keys are of a wrong type or the like.
type Damaged struct{ ID, Error string }

// damagedOf reads ids and errors in turn.
func damagedOf(values []any) []Damaged {
	var list []Damaged
	for i := 0; i+1 < len(values); i += 2 {
		list = append(list, Damaged{text(values[i]), text(values[i+1])})
	}
	return list
}

// text returns "" for a value that is no string.
func text(v any) string {
	s, _ := v.(string)
	return s
}

// number returns 0 for a value that is no integer.
func number(v any) int {
	n, _ := v.(int64)
	return int(n)
}

// texts returns nil for a value that is no list.
func texts(v any) []string {
	list, _ := v.([]any)
	if len(list) == 0 {
		return nil
	}
	all := make([]string, len(list))
	for i := range list {
		all[i] = text(list[i])
	}
	return all
}

// longestWait bounds the time until something is due, which may be thousands of years away.
const longestWait = 24 * time.Hour

// millis is a reply in ms as a duration.
func millis(reply any) time.Duration {
	ms, _ := reply.(int64)
	return time.Duration(min(ms, longestWait.Milliseconds())) * time.Millisecond
}

// unixMilli is an instant as the scripts take it: 0 for none.
func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
