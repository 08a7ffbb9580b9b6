package redisstore

import (
	"embed"

	"github.com/backbeat-go/backbeat/internal/luascript"
)

//go:embed lua/*.lua
var files embed.FS

// scripts are the scripts in lua/. Each is run by one function, beside the store that it belongs to: no other knows the
// positions of its arguments and of what it returns.
var scripts = luascript.Open(files, "lua")
