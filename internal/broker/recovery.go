package broker

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// leaseDuration is asynq's. Its heartbeat extends the leases of started tasks to that every 5 s.
	leaseDuration = 30 * time.Second
	// doubt is how long a worker has been silent when its leases are watched.
	doubt = 9 * time.Second
	// silence is for how long a watched lease must not change for its worker to count as dead. The clocks of two machines may
	// differ by more than any lease lasts; but a worker that lives changes its leases, whatever its clock says.
	silence = 6 * time.Second
	// maxCrashes is how many workers may die with a task before it fails.
	maxCrashes = 3
	watchLimit = 1000
)

// recovery finds the tasks of workers that have died, and puts them back into their queues.
type recovery struct {
	rdb     redis.UniversalClient
	ahead   func() time.Duration // how far the clock of Redis is ahead of that of this machine
	orphans sync.Map             // places by queue, see orphanPlace
}

func newRecovery(rdb redis.UniversalClient, ahead func() time.Duration) *recovery {
	return &recovery{rdb: rdb, ahead: ahead}
}

// watched is a lease that should have been extended by now.
type watched struct {
	lease float64
	since time.Time
}

// leaseWatch is what is known of leases of a queue, by the ids of tasks.
type leaseWatch map[string]watched

// look reads the leases of a queue that should have been extended by now, and returns the ids and leases, in turn, of those
// that have not been for long enough. Most of the time there is none.
func (r *recovery) look(ctx context.Context, queue string, watch leaseWatch, now time.Time) (dead []any, err error) {
	late, err := r.rdb.ZRangeByScoreWithScores(ctx, leaseKey(queue), &redis.ZRangeBy{
		Min: "-inf", Max: strconv.FormatInt(now.Add(r.ahead()).Add(leaseDuration-doubt).Unix(), 10), Count: watchLimit,
	}).Result()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(late))
	for _, z := range late {
		id, _ := z.Member.(string)
		seen[id] = true
		w, known := watch[id]
		if !known || w.lease != z.Score {
			watch[id] = watched{z.Score, now}
		} else if now.Sub(w.since) >= silence {
			dead = append(dead, id, strconv.FormatFloat(z.Score, 'f', -1, 64))
		}
	}
	for id := range watch {
		if !seen[id] {
			delete(watch, id)
		}
	}
	return dead, nil
}

// recovered says what became of tasks of dead workers.
type recovered struct {
	types   []string // of the tasks that were put back
	damaged []any    // id and error in turn
	crashed []crashed
}

// crashed is a task that has had its last crash. It stays active for the caller to end.
type crashed struct {
	id, message string
	attempt     int
}

// restore puts back tasks whose leases are not extended any more, and the next ones that have none.
func (r *recovery) restore(ctx context.Context, queue string, dead []any) (recovered, error) {
	args := append([]any{maxCrashes, r.orphanPlace(queue)}, dead...)
	reply, err := recoverScript.run(ctx, r.rdb, queue, []string{activeKey(queue), leaseKey(queue)}, args...).Slice()
	if err != nil {
		return recovered{}, err
	}
	r.orphans.Store(queue, reply[0])
	done := recovered{types: typesOf(reply[1])}
	done.damaged, _ = reply[2].([]any)
	for i := 3; i+2 < len(reply); i += 3 {
		var c crashed
		c.id, _ = reply[i].(string)
		c.message, _ = reply[i+1].(string)
		number, _ := reply[i+2].(string)
		c.attempt, _ = strconv.Atoi(number)
		done.crashed = append(done.crashed, c)
	}
	return done, nil
}

// orphanPlace is how far restore has looked through the active list of a queue for tasks without a lease, 0 at its end.
func (r *recovery) orphanPlace(queue string) int64 {
	place, _ := r.orphans.Load(queue)
	n, _ := place.(int64)
	return n
}
