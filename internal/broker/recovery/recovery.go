package recovery

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/redis/go-redis/v9"
)

const (
	// leaseDuration is asynq's. Its heartbeat extends the leases of started tasks to that every 5 s.
	LeaseDuration = 30 * time.Second
	// doubt is how long a worker has been silent when its leases are watched.
	Doubt = 9 * time.Second
	// silence is for how long a watched lease must not change for its worker to count as dead. The clocks of two machines may
	// differ by more than any lease lasts; but a worker that lives changes its leases, whatever its clock says.
	Silence = 6 * time.Second
	// maxCrashes is how many workers may die with a task before it fails.
	MaxCrashes = 3
	watchLimit = 1000
)

// recovery finds the tasks of workers that have died, and puts them back into their queues.
type Recovery struct {
	rdb     redis.UniversalClient
	ahead   func() time.Duration // how far the clock of Redis is ahead of that of this machine
	orphans sync.Map             // places by queue, see orphanPlace
}

func New(rdb redis.UniversalClient, ahead func() time.Duration) *Recovery {
	return &Recovery{rdb: rdb, ahead: ahead}
}

// watched is a lease that should have been extended by now.
type watched struct {
	Lease float64
	since time.Time
}

// leaseWatch is what is known of leases of a queue, by the ids of tasks.
type LeaseWatch map[string]watched

// look reads the leases of a queue that should have been extended by now, and returns the ids and leases, in turn, of those
// that have not been for long enough. Most of the time there is none.
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

// Restore puts back tasks whose leases are not extended any more, and the next ones that have none.
func (r *Recovery) Restore(ctx context.Context, queue string, dead []script.DeadLease) (script.Recovered, error) {
	done, err := script.Recover(ctx, r.rdb, queue, MaxCrashes, r.OrphanPlace(queue), dead)
	if err == nil {
		r.orphans.Store(queue, done.Place)
	}
	return done, err
}

// OrphanPlace is how far Restore has looked through the active list of a queue for tasks without a lease, 0 at its end.
func (r *Recovery) OrphanPlace(queue string) int {
	place, _ := r.orphans.Load(queue)
	n, _ := place.(int)
	return n
}
