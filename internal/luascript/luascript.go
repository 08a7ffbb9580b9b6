// Package luascript reads Lua scripts from files and runs them on Redis by their SHA1.
//
// A folder of scripts may have a prelude, prelude.lua: paragraphs of code, separated by blank lines, that its scripts share. Each
// script gets only the paragraphs that it uses, because Redis processes the whole source with each call: a whole prelude of
// 400 lines would cost 4 µs. A comment in each file states KEYS, ARGV and what the script returns; the function that runs it, one for
// each script, is the only place that knows them by their positions.
package luascript

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Script is a Lua script.
type Script struct{ script *redis.Script }

// New returns the script with the source.
func New(source string) Script { return Script{redis.NewScript(source)} }

// Run runs the script: by its SHA1, and with its source if Redis does not know that yet.
func (s Script) Run(ctx context.Context, rdb redis.Scripter, keys []string, args ...any) *redis.Cmd {
	return s.script.Run(ctx, rdb, keys, args...)
}

// Call is a call of a script.
type Call struct {
	Keys []string
	Args []any
}

// RunAll runs the script for each call, in one round trip. Each command has its own error.
func (s Script) RunAll(ctx context.Context, rdb redis.UniversalClient, calls []Call) []*redis.Cmd {
	cmds := make([]*redis.Cmd, len(calls))
	if len(calls) == 1 {
		cmds[0] = s.Run(ctx, rdb, calls[0].Keys, calls[0].Args...)
		return cmds
	}
	_, _ = rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error { // the errors are in the commands
		for i, c := range calls {
			cmds[i] = s.script.EvalSha(ctx, pipe, c.Keys, c.Args...)
		}
		return nil
	})
	for i, c := range calls { // once after a start of Redis
		if redis.HasErrorPrefix(cmds[i].Err(), "NOSCRIPT") {
			cmds[i] = s.Run(ctx, rdb, c.Keys, c.Args...)
		}
	}
	return cmds
}

// Folder is a folder of scripts.
type Folder struct {
	files   fs.FS
	dir     string
	prelude []paragraph
}

// Open returns the scripts in a folder. It panics if the folder's prelude cannot be read, which is known when the program
// starts.
func Open(files fs.FS, dir string) *Folder {
	f := &Folder{files: files, dir: dir}
	if _, err := fs.Stat(files, path.Join(dir, "prelude.lua")); err == nil {
		f.prelude = readParagraphs(f.source("prelude"))
	}
	return f
}

func (f *Folder) source(name string) string {
	source, err := fs.ReadFile(f.files, path.Join(f.dir, name+".lua"))
	if err != nil {
		panic(err)
	}
	return string(source)
}

// Script returns the script name.lua. It panics if there is none, which is known when the program starts.
func (f *Folder) Script(name string) Script { return New(withPrelude(f.prelude, f.source(name))) }

// Around returns the script outer.lua with inner.lua as the body of a function act(KEYS, ARGV), in place of its line "-- ACT".
// It panics as Script does.
func (f *Folder) Around(outer, inner string) Script {
	act := "local function act(KEYS, ARGV)\n" + f.source(inner) + "\nend"
	return New(withPrelude(f.prelude, strings.Replace(f.source(outer), "-- ACT", act, 1)))
}
