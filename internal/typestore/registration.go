package typestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/internal/startstop"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// renewInterval is the interval of a worker's heartbeats.
	renewInterval = 5 * time.Second
	// LiveFor is how long after its last heartbeat a worker counts as live.
	LiveFor = 20 * time.Second
	// putBytes bounds the documents of one command.
	putBytes = 1 << 20
	// registerWait bounds how long a worker's start waits for its types to be registered.
	registerWait = 5 * time.Second
	// leaveWait bounds how long a stopping worker waits until it is removed.
	leaveWait = 2 * time.Second
)

// RegistrationConfig configures a Registration.
type RegistrationConfig struct {
	// Worker is the worker's id.
	Worker string
	// Handlers are those of the worker, by the names of types and their aliases.
	Handlers map[string]*task.Handler
	// SDK is the name and version of the SDK that the worker uses.
	SDK string
	// TTL is how long types stay known after their last worker.
	TTL    time.Duration
	Logger *slog.Logger
}

// Registration keeps the types of one worker registered, from Start to Stop. Start waits for Redis for a short time, and returns
// no error if it does not answer.
type Registration struct {
	startstop.Service
	store  store
	worker string
	logger *slog.Logger
	docs   map[string][]byte // by hash
	hashes []string          // sorted
	set    string            // hash of them all
	away   bool              // the last renewal failed

	started bool
	renewal startstop.Service
}

// NewRegistration returns the registration of a worker, which does nothing yet. It returns an error for a type that cannot be
// registered, such as one whose schemas are too large.
func NewRegistration(rdb redis.UniversalClient, cfg RegistrationConfig) (*Registration, error) {
	r := &Registration{store: store{rdb, cfg.TTL}, worker: cfg.Worker, logger: cfg.Logger, docs: make(map[string][]byte)}
	for name, h := range cfg.Handlers {
		if name != h.Type.Name {
			continue // an alias
		}
		document, err := catalog.EncodeType(h.Type, cfg.SDK)
		if err != nil {
			return nil, fmt.Errorf("register types: %w", err)
		}
		hash := hashOf(document)
		r.docs[hash] = document
		r.hashes = append(r.hashes, hash)
	}
	slices.Sort(r.hashes)
	r.set = hashOf([]byte(strings.Join(r.hashes, " ")))
	r.renewal = startstop.Background(r.keepRenewing)
	r.Service = startstop.New(r.start, r.stop)
	return r, nil
}

func hashOf(document []byte) string {
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:16])
}

// Renew is a heartbeat of the worker. It registers the types of the worker if they are not registered. Errors: CodeUnavailable.
func (r *Registration) Renew(ctx context.Context) error {
	done, err := r.store.renew(ctx, renewal{worker: r.worker, set: r.set})
	if err != nil || done {
		return redisconn.Coded(err)
	}
	if err := r.put(ctx); err != nil {
		return redisconn.Coded(err)
	}
	// If the documents are gone again, the next heartbeat puts them.
	_, err = r.store.renew(ctx, renewal{worker: r.worker, set: r.set, hashes: r.hashes})
	return redisconn.Coded(err)
}

// put stores the documents, in parts.
func (r *Registration) put(ctx context.Context) error {
	var docs []document
	size := 0
	for i, hash := range r.hashes {
		docs = append(docs, document{hash, r.docs[hash]})
		size += len(r.docs[hash])
		if size < putBytes && i < len(r.hashes)-1 {
			continue
		}
		if err := r.store.put(ctx, docs); err != nil {
			return err
		}
		docs, size = nil, 0
	}
	return nil
}

// start registers the types before the worker is ready, if Redis takes them soon.
func (r *Registration) start(ctx context.Context) error {
	r.started = true
	soon, cancel := context.WithTimeout(ctx, registerWait)
	defer cancel()
	r.tryRenew(soon)
	return r.renewal.Start(ctx)
}

func (r *Registration) keepRenewing(ctx context.Context) {
	for pause.For(ctx, renewInterval) {
		r.tryRenew(ctx)
	}
}

func (r *Registration) tryRenew(ctx context.Context) {
	err := r.Renew(ctx)
	if err != nil && !r.away && !errors.Is(ctx.Err(), context.Canceled) {
		r.logger.Warn("task types not registered; trying again", "error", err)
	}
	r.away = err != nil
}

// stop removes the worker from those that are live.
func (r *Registration) stop(ctx context.Context) {
	r.renewal.Stop(ctx)
	if !r.started {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, leaveWait)
	defer cancel()
	startstop.Wait(ctx, func() {
		if err := r.store.leave(ctx, r.worker); err != nil {
			r.logger.Debug("worker not removed from the registered task types; it counts as live a little longer", "error", err)
		}
	})
}
