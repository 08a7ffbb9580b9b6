package program

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/startstop"
	"github.com/backbeat-go/backbeat/internal/typestore"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// followInterval is how often a program reads which types workers have registered: a new one is known within a second.
	followInterval = 500 * time.Millisecond
	// workerFollowInterval is that of a program that is only a worker: it needs them for what its handlers enqueue.
	workerFollowInterval = 5 * time.Second
	// loadWait bounds how long a beat waits for them before it leads.
	loadWait = 10 * time.Second
)

// addTypes adds the part that keeps the program's catalog up to date with the types that workers register.
func (a *App) addTypes(p Program, cfg *config.Config, rdb redis.UniversalClient) {
	every := followInterval
	if p == Worker {
		every = workerFollowInterval
	}
	follower := typestore.NewFollower(rdb, typestore.FollowerConfig{Types: a.types, TTL: cfg.Types.TTL, Interval: every, Logger: a.logger})
	a.parts.Add("task types", startstop.Background(follower.Run))
	a.typesLoaded = follower.Loaded()
}

// awaitTypes waits until the catalog has the types that workers have registered, for a while: without them a beat does not
// know their queues and their defaults.
func (a *App) awaitTypes(ctx context.Context) {
	timer := time.NewTimer(loadWait)
	defer timer.Stop()
	select {
	case <-a.typesLoaded:
	case <-timer.C:
		a.logger.Warn("the task types of workers are still not known; going on without them", "waited", loadWait)
	case <-ctx.Done():
	}
}

// addRegistration adds the part that keeps the types of a worker registered.
func (a *App) addRegistration(cfg *config.Config, rdb redis.UniversalClient, worker string, handlers map[string]*task.Handler) error {
	r, err := typestore.NewRegistration(rdb, typestore.RegistrationConfig{
		Worker: worker, Handlers: handlers, SDK: typestore.SDK(), TTL: cfg.Types.TTL, Logger: a.logger,
	})
	if err == nil {
		a.parts.Add("registration of task types", r)
	}
	return err
}
