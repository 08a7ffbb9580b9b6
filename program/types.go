package program

import (
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/typestore"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// lookInterval is how often programs that check requests look for new types: one is known within a second.
	lookInterval = 500 * time.Millisecond
	// workerLookInterval is how often workers do, which need types only for what they enqueue themselves.
	workerLookInterval = 5 * time.Second
)

// addTypes adds a part that keeps the catalog up to date with the types that workers register. The client is not its to close.
func (a *App) addTypes(cfg *config.Config, rdb redis.UniversalClient, types *catalog.Catalog, every time.Duration) {
	follow := newBackground(a.follower(cfg, rdb, types, every).Run)
	a.add(part{name: "task types", start: follow.start, stop: follow.stop})
}

func (a *App) follower(cfg *config.Config, rdb redis.UniversalClient, types *catalog.Catalog, every time.Duration) *typestore.Follower {
	return typestore.NewFollower(rdb, typestore.FollowerConfig{Types: types, TTL: cfg.Types.TTL, Interval: every, Logger: a.logger})
}

// registration returns what keeps the types of a worker registered.
func (a *App) registration(
	cfg *config.Config, rdb redis.UniversalClient, worker string, handlers map[string]*task.Handler,
) (*typestore.Registration, error) {
	return typestore.NewRegistration(rdb, typestore.RegistrationConfig{
		Worker: worker, Handlers: handlers, SDK: typestore.SDK(), TTL: cfg.Types.TTL, Logger: a.logger,
	})
}
