package typestore

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/pause"
)

const (
	// refreshInterval is how often a follower reads everything, for the times of live workers change no version.
	refreshInterval = 10 * time.Second
	// readBatch bounds the documents of one command to 1 MiB.
	readBatch = (1 << 20) / catalog.MaxDocument
)

// Catalog takes what a Follower finds.
type Catalog interface {
	SetRegistered(list []catalog.Registered)
}

// FollowerConfig says where what workers have registered goes.
type FollowerConfig struct {
	Types Catalog
	// TTL is how long types stay known after their last worker.
	TTL time.Duration
	// Interval is how often to look for changes.
	Interval time.Duration
	Logger   *slog.Logger
}

// Follower keeps a catalog up to date with what workers have registered. It is used by one goroutine at a time.
type Follower struct {
	rdb       redis.UniversalClient
	cfg       FollowerConfig
	version   string
	refreshAt time.Time
	// known holds what was read, by hash, for as long as it is known, though Redis lose its data. Type is nil where a document
	// cannot be read.
	known  map[string]*catalog.Registered
	loaded chan struct{}
	first  sync.Once
}

// NewFollower returns a follower that has read nothing yet.
func NewFollower(rdb redis.UniversalClient, cfg FollowerConfig) *Follower {
	return &Follower{rdb: rdb, cfg: cfg, known: make(map[string]*catalog.Registered), loaded: make(chan struct{})}
}

// Loaded is closed when the catalog has for the first time what workers have registered.
func (f *Follower) Loaded() <-chan struct{} { return f.loaded }

// Run reads what workers have registered at once and then whenever it has changed, until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	for away := false; ; {
		err := f.Load(ctx)
		if err != nil && !away && ctx.Err() == nil {
			f.cfg.Logger.Warn("task types of workers cannot be read; going on with those that are known", "error", err)
		}
		away = err != nil
		if !pause.For(ctx, f.cfg.Interval) {
			return
		}
	}
}

// Load reads what workers have registered, if it has changed. Errors: CodeUnavailable.
func (f *Follower) Load(ctx context.Context) error {
	version := f.version
	if !time.Now().Before(f.refreshAt) {
		version = ""
	}
	reply, err := loadScript.run(ctx, f.rdb, f.cfg.TTL, version).Slice()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return unavailable(err)
	}
	list, err := parseListing(reply)
	if err != nil {
		return err
	}
	if err := f.read(ctx, list); err != nil {
		return unavailable(err)
	}
	f.version, f.refreshAt = list.version, time.Now().Add(refreshInterval)
	f.update(list)
	f.first.Do(func() { close(f.loaded) })
	return nil
}

// listing is what load.lua answers.
type listing struct {
	version string
	now     time.Time
	entries map[string]entry // by hash of a document
}

type entry struct {
	workers    int
	lastSeenAt time.Time
}

func parseListing(reply []any) (listing, error) {
	if len(reply) < 2 || len(reply)%3 != 2 {
		return listing{}, errors.New("redis answers with a list of types that is none")
	}
	list := listing{entries: make(map[string]entry)}
	list.version, _ = reply[0].(string)
	list.now = timeOf(reply[1])
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

// read fetches the documents that are new.
func (f *Follower) read(ctx context.Context, list listing) error {
	var hashes []string
	for hash := range list.entries {
		if f.known[hash] == nil {
			hashes = append(hashes, hash)
		}
	}
	for len(hashes) > 0 {
		part := hashes[:min(readBatch, len(hashes))]
		documents, err := f.rdb.HMGet(ctx, docsKey, part...).Result()
		if err != nil {
			return err
		}
		for i, document := range documents {
			if text, ok := document.(string); ok { // it may have gone meanwhile
				f.known[part[i]] = f.decode(text)
			}
		}
		hashes = hashes[len(part):]
	}
	return nil
}

func (f *Follower) decode(document string) *catalog.Registered {
	t, sdk, err := catalog.DecodeType([]byte(document))
	if err != nil {
		f.cfg.Logger.Warn("a task type that a worker has registered cannot be read and stays unknown", "error", err)
		return &catalog.Registered{}
	}
	return &catalog.Registered{Type: t, SDK: sdk}
}

// update puts what is known into the catalog. What Redis has lost before its time is known on, without workers.
func (f *Follower) update(list listing) {
	var registered []catalog.Registered
	for hash, r := range f.known {
		e, listed := list.entries[hash]
		if listed {
			r.LastSeenAt = e.lastSeenAt
		}
		r.Workers = e.workers
		if r.Workers == 0 && list.now.Sub(r.LastSeenAt) >= f.cfg.TTL {
			delete(f.known, hash)
			continue
		}
		if r.Type != nil {
			registered = append(registered, *r)
		}
	}
	f.cfg.Types.SetRegistered(registered)
}
