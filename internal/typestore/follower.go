package typestore

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/redisconn"
)

const (
	// refreshInterval is how often a follower reads everything, because the times of live workers do not change the version.
	refreshInterval = 10 * time.Second
	// readBatch bounds the documents of one command to 1 MiB.
	readBatch = (1 << 20) / catalog.MaxDocument
)

// Catalog receives the registered types from a Follower.
type Catalog interface {
	SetRegistered(list []catalog.Registered)
}

// FollowerConfig configures a Follower.
type FollowerConfig struct {
	Types Catalog
	// TTL is how long types stay known after their last worker.
	TTL time.Duration
	// Interval is how often to look for changes.
	Interval time.Duration
	Logger   *slog.Logger
}

// Follower keeps a catalog up to date with the types that workers have registered. Only one goroutine may use it at a time.
type Follower struct {
	store     store
	cfg       FollowerConfig
	version   string
	refreshAt time.Time
	// known holds the types by the hashes of their documents, for their TTL even if Redis loses its data. Type is nil if the
	// document cannot be read.
	known  map[string]*catalog.Registered
	loaded chan struct{}
	first  sync.Once
}

// NewFollower returns a Follower, which reads nothing before Run or Load.
func NewFollower(rdb redis.UniversalClient, cfg FollowerConfig) *Follower {
	return &Follower{store: store{rdb, cfg.TTL}, cfg: cfg, known: make(map[string]*catalog.Registered), loaded: make(chan struct{})}
}

// Loaded returns a channel that is closed after the first successful Load.
func (f *Follower) Loaded() <-chan struct{} { return f.loaded }

// Run loads the registered types at once and then whenever they have changed, until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	for away := false; ; {
		err := f.Load(ctx)
		if err != nil && !away && ctx.Err() == nil {
			f.cfg.Logger.Warn("registered task types cannot be read; continuing with the known ones", "error", err)
		}
		away = err != nil
		if !pause.For(ctx, f.cfg.Interval) {
			return
		}
	}
}

// Load reads the registered types if they have changed. Errors: CodeUnavailable.
func (f *Follower) Load(ctx context.Context) error {
	version := f.version
	if !time.Now().Before(f.refreshAt) {
		version = ""
	}
	list, err := f.store.load(ctx, version)
	if err != nil || list == nil {
		return redisconn.Coded(err)
	}
	if err := f.read(ctx, list); err != nil {
		return redisconn.Coded(err)
	}
	f.version, f.refreshAt = list.version, time.Now().Add(refreshInterval)
	f.update(list)
	f.first.Do(func() { close(f.loaded) })
	return nil
}

// read fetches the new documents.
func (f *Follower) read(ctx context.Context, list *listing) error {
	var hashes []string
	for hash := range list.entries {
		if f.known[hash] == nil {
			hashes = append(hashes, hash)
		}
	}
	for len(hashes) > 0 {
		part := hashes[:min(readBatch, len(hashes))]
		documents, err := f.store.rdb.HMGet(ctx, docsKey, part...).Result()
		if err != nil {
			return err
		}
		for i, document := range documents {
			if text, ok := document.(string); ok { // else it was removed meanwhile
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
		f.cfg.Logger.Warn("a registered task type cannot be read and stays unknown", "error", err)
		return &catalog.Registered{}
	}
	return &catalog.Registered{Type: t, SDK: sdk}
}

// update passes the known types to the catalog. Types that Redis has lost before the end of their TTL stay known, without
// workers.
func (f *Follower) update(list *listing) {
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
