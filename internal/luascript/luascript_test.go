package luascript

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

const testPrelude = `-- The prelude.
local LIMIT = 3

-- publish sends.
local function publish(channel) return LIMIT end

local function notify(id) publish(id) end

local function archive(id) return id end
`

// A script gets the paragraphs of the prelude that it uses, directly or through others, in their order.
func TestScriptsGetWhatTheyUseOfThePrelude(t *testing.T) {
	got := withPrelude(readParagraphs(testPrelude), `return notify("id")`)
	for part, want := range map[string]bool{
		"local function notify(": true, "local function publish(": true, "local LIMIT": true, "local function archive(": false, "-- ": false,
	} {
		if strings.Contains(got, part) != want {
			t.Errorf("%q is there: %v", part, !want)
		}
	}
	if strings.Index(got, "local LIMIT") > strings.Index(got, "local function notify(") {
		t.Error("the paragraphs are out of order")
	}
}

// Calls of a script that Redis does not know yet are run all the same, each with its own reply.
func TestRunAllLoadsTheScript(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	files := fstest.MapFS{
		"lua/outer.lua": {Data: []byte("-- ACT\nreturn act(KEYS, {ARGV[1]})")},
		"lua/inner.lua": {Data: []byte(`if ARGV[1] == "bad" then return redis.error_reply("ERR bad") end return ARGV[1]`)},
	}
	s := Open(files, "lua").Around("outer", "inner")
	for range 2 {
		cmds := s.RunAll(t.Context(), rdb, []Call{{Keys: []string{"{k}a"}, Args: []any{"x"}}, {Keys: []string{"{k}b"}, Args: []any{"bad"}}})
		if text, err := cmds[0].Text(); text != "x" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		if err := cmds[1].Err(); !redis.HasErrorPrefix(err, "bad") {
			t.Error(err)
		}
	}
}
