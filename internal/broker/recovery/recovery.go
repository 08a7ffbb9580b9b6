// Package recovery finds the tasks of dead workers by their leases and requeues them.
package recovery

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

const (
	// LeaseDuration is the length of a lease, as asynq has it. asynq's heartbeat extends the leases of started tasks to it
	// every 5 s.
	LeaseDuration = 30 * time.Second
	// Doubt is how long a lease has not been extended when Recovery begins to watch it.
	Doubt = 9 * time.Second
	// Silence is how long a watched lease must stay unchanged for its worker to count as dead. The clocks of two machines may
	// differ by more than a lease lasts, but a live worker changes its leases whatever its clock says.
	Silence = 6 * time.Second
	// MaxCrashes is how many workers may die with a task before it fails.
	MaxCrashes = 3
	// watchLimit bounds the leases of one queue that are watched.
	watchLimit = 1000
)

// Recovery finds the tasks of dead workers and requeues them. It is safe for concurrent use, except that each LeaseWatch has
// one user at a time.
type Recovery struct {
	rdb     redis.UniversalClient
	ahead   func() time.Duration // how far the clock of Redis is ahead of that of this machine
	orphans sync.Map             // places by queue, see orphanPlace
}

// New returns a Recovery. ahead returns how far the clock of Redis is ahead of that of this machine.
func New(rdb redis.UniversalClient, ahead func() time.Duration) *Recovery {
	return &Recovery{rdb: rdb, ahead: ahead}
}

// watched is a lease that should have been extended by now.
type watched struct {
	Lease float64
	since time.Time
}

// LeaseWatch holds the watched leases of one queue by task id.
type LeaseWatch map[string]watched

// FindDead reads the leases of a queue that should have been extended by now, records them in watch, and returns those that
// have stayed unchanged for Silence. Usually there is none.
func (r *Recovery) FindDead(ctx context.Context, queue string, watch LeaseWatch, now time.Time) (dead []script.DeadLease, err error) {
	late, err := r.rdb.ZRangeByScoreWithScores(ctx, wire.LeaseKey(queue), &redis.ZRangeBy{
		Min: "-inf", Max: strconv.FormatInt(now.Add(r.ahead()).Add(LeaseDuration-Doubt).Unix(), 10), Count: watchLimit,
	}).Result()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(late))
	for _, z := range late {
		id, _ := z.Member.(string)
		seen[id] = true
		w, known := watch[id]
		if !known || w.Lease != z.Score {
			watch[id] = watched{z.Score, now}
		} else if now.Sub(w.since) >= Silence {
			dead = append(dead, script.DeadLease{ID: id, Lease: strconv.FormatFloat(z.Score, 'f', -1, 64)})
		}
	}
	for id := range watch {
		if !seen[id] {
			delete(watch, id)
		}
	}
	return dead, nil
}

// Restore requeues the tasks with dead leases, and those among the next active tasks that have no lease. A task that
// MaxCrashes workers have died with fails.
func (r *Recovery) Restore(ctx context.Context, queue string, dead []script.DeadLease) (script.Recovered, error) {
	done, err := script.Recover(ctx, r.rdb, queue, MaxCrashes, r.OrphanPlace(queue), dead)
	if err == nil {
		r.orphans.Store(queue, done.Place)
	}
	return done, err
}

// OrphanPlace is the position in the active list of a queue up to which Restore has searched for tasks without a lease; 0
// when it has reached the end.
func (r *Recovery) OrphanPlace(queue string) int {
	place, _ := r.orphans.Load(queue)
	n, _ := place.(int)
	return n
}
