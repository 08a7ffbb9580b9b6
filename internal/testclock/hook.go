package testclock

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis names scripts by it
	"encoding/hex"
	"strings"

	"github.com/redis/go-redis/v9"
)

const (
	// timeCall is how the scripts of this module ask for the time, and movedCall what is sent in its place. It is one line, so
	// that errors name the lines of the script.
	timeCall  = `redis.call("TIME")`
	movedCall = `(function() local t, ahead = redis.call("TIME"), tonumber(redis.call("GET", "` + aheadKey + `") or "0") ` +
		`local us = tonumber(t[2]) + ahead % 1000 * 1000 ` +
		`local s = tonumber(t[1]) + math.floor(ahead / 1000) + math.floor(us / 1000000) ` +
		`return {string.format("%.0f", s), string.format("%.0f", us % 1000000)} end)()`

	// unknownScript is the SHA1 of no script: Redis answers NOSCRIPT, and the caller sends the script itself.
	unknownScript = "0000000000000000000000000000000000000000"
)

// hook makes the clock that of all that a client sends.
type hook struct{ clock *Clock }

// DialHook implements redis.Hook.
func (hook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.clock.before(cmd)
		err := next(ctx, cmd)
		h.clock.after(cmd)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			h.clock.before(cmd)
		}
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			h.clock.after(cmd)
		}
		return err
	}
}

// before puts the script that sees the moved time in the place of one that is about to be sent.
func (c *Clock) before(cmd redis.Cmder) {
	args := cmd.Args()
	switch cmd.Name() {
	case "eval":
		if source, ok := args[1].(string); ok {
			args[1] = c.learn(source)
		}
	case "evalsha":
		sent, known := c.scripts.Load(args[1])
		if !known {
			sent = unknownScript // Redis may know it as other programs send it
		}
		args[1] = sent
	}
}

// learn notes under which name Redis has a script from now on, and returns what to send.
func (c *Clock) learn(source string) string {
	moved := strings.ReplaceAll(source, timeCall, movedCall)
	c.scripts.Store(hashOf(source), hashOf(moved))
	return moved
}

func hashOf(source string) string {
	sum := sha1.Sum([]byte(source))
	return hex.EncodeToString(sum[:])
}

// after corrects an answer that is a time.
func (c *Clock) after(cmd redis.Cmder) {
	if t, ok := cmd.(*redis.TimeCmd); ok && t.Err() == nil {
		t.SetVal(t.Val().Add(c.Ahead()))
	}
}
