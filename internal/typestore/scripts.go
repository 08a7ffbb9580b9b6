package typestore

import (
	"context"
	"embed"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/luascript"
)

//go:embed lua/*.lua
var files embed.FS

var (
	scripts     = luascript.Open(files, "lua")
	putScript   = scripts.Script("put")
	renewScript = scripts.Script("renew")
	leaveScript = scripts.Script("leave")
	loadScript  = scripts.Script("load")
)

// store runs the scripts. Its methods are the only code that knows the positions of their arguments and replies.
type store struct {
	rdb redis.UniversalClient
	ttl time.Duration // how long types stay known after their last worker
}

func (s store) run(ctx context.Context, script luascript.Script, args ...any) *redis.Cmd {
	return script.Run(ctx, s.rdb, keys, append([]any{s.ttl.Milliseconds(), LiveFor.Milliseconds()}, args...)...)
}

// document is a type as JSON, with its hash.
type document struct {
	hash string
	data []byte
}

// put stores documents.
func (s store) put(ctx context.Context, docs []document) error {
	args := make([]any, 0, 2*len(docs))
	for _, d := range docs {
		args = append(args, d.hash, d.data)
	}
	return s.run(ctx, putScript, args...).Err()
}

// renewal says that a worker is live and runs a set of documents.
type renewal struct {
	worker string
	set    string   // hash of the set
	hashes []string // of the documents, where the set may be unknown
}

// renew reports false if nothing was done: the set is unknown, and its documents are not given or not all of them are stored.
func (s store) renew(ctx context.Context, r renewal) (done bool, err error) {
	args := []any{r.worker, r.set}
	for _, hash := range r.hashes {
		args = append(args, hash)
	}
	return s.run(ctx, renewScript, args...).Bool()
}

// leave removes a worker that stops.
func (s store) leave(ctx context.Context, worker string) error {
	return s.run(ctx, leaveScript, worker).Err()
}

// listing is which documents are registered.
type listing struct {
	version string
	now     time.Time
	entries map[string]entry // by hash of a document
}

type entry struct {
	workers    int
	lastSeenAt time.Time
}

// load returns nil if the registered documents still have the version.
func (s store) load(ctx context.Context, version string) (*listing, error) {
	reply, err := s.run(ctx, loadScript, version).Slice()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(reply) < 2 || len(reply)%3 != 2 {
		return nil, errors.New("the reply of load.lua cannot be read")
	}
	list := &listing{now: timeOf(reply[1]), entries: make(map[string]entry)}
	list.version, _ = reply[0].(string)
	for i := 2; i < len(reply); i += 3 {
		hash, _ := reply[i].(string)
		workers, _ := reply[i+1].(int64)
		list.entries[hash] = entry{int(workers), timeOf(reply[i+2])}
	}
	return list, nil
}

func timeOf(ms any) time.Time {
	text, _ := ms.(string)
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(n).UTC()
}
