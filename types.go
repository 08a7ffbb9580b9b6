package backbeat

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/typestore"
)

// typesTTL is how long a type is known after its last worker, as in the programs' configuration.
const typesTTL = 24 * time.Hour

// learner looks up the types that workers have registered, when a request names one.
type learner struct {
	mu       sync.Mutex
	follower *typestore.Follower
	lookAt   time.Time // the next look
}

func newLearner(rdb redis.UniversalClient, types *catalog.Catalog) *learner {
	return &learner{follower: typestore.NewFollower(rdb, typestore.FollowerConfig{
		Types: types, TTL: typesTTL, Logger: slog.New(slog.DiscardHandler),
	})}
}

// look reads what has changed, once a second at most. It returns an error with CodeUnavailable if Redis does not answer.
func (l *learner) look(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.lookAt) {
		return nil
	}
	if err := l.follower.Load(ctx); err != nil {
		return err
	}
	l.lookAt = time.Now().Add(time.Second)
	return nil
}
