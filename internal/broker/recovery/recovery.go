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
func (r *Recovery) FindDead(ctx context.Context, queue string, watch LeaseWatch, now time.Time) (dead []any, err error) {
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
type Restored struct {
	Types   []string // of the tasks that were put back
	Damaged []any    // id and error in turn
	Crashed []Crashed
}

// crashed is a task that has had its last crash. It stays active for the caller to end.
type Crashed struct {
	ID, Message string
	Attempt     int
}

// restore puts back tasks whose leases are not extended any more, and the next ones that have none.
func (r *Recovery) Restore(ctx context.Context, queue string, dead []any) (Restored, error) {
	args := append([]any{MaxCrashes, r.OrphanPlace(queue)}, dead...)
	reply, err := script.RecoverScript.Run(ctx, r.rdb, queue, []string{wire.ActiveKey(queue), wire.LeaseKey(queue)}, args...).Slice()
	if err != nil {
		return Restored{}, err
	}
	r.orphans.Store(queue, reply[0])
	done := Restored{Types: wire.TypesOf(reply[1])}
	done.Damaged, _ = reply[2].([]any)
	for i := 3; i+2 < len(reply); i += 3 {
		var c Crashed
		c.ID, _ = reply[i].(string)
		c.Message, _ = reply[i+1].(string)
		number, _ := reply[i+2].(string)
		c.Attempt, _ = strconv.Atoi(number)
		done.Crashed = append(done.Crashed, c)
	}
	return done, nil
}

// orphanPlace is how far restore has looked through the active list of a queue for tasks without a lease, 0 at its end.
func (r *Recovery) OrphanPlace(queue string) int64 {
	place, _ := r.orphans.Load(queue)
	n, _ := place.(int64)
	return n
}
