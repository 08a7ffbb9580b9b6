package beat_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/beat"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// A master of a cluster is away, killed or hanging, that keeps none of the schedules: those whose tasks go to queues of other
// masters go on, also under the next leader. When it is back, so do the others.
func TestMasterOfAQueueIsAway(t *testing.T) {
	for name, fail := range map[string]struct{ away, back func(*redistest.Server) }{
		"killed": {(*redistest.Server).Kill, (*redistest.Server).Restart},
		"hangs":  {(*redistest.Server).Freeze, (*redistest.Server).Thaw},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := redistest.StartCluster(t)
			schedules := cluster.Master("backbeat:schedules:{beat}:term")
			good, bad := queuesApart(cluster, schedules)
			rdb := cluster.Client(t, func(o *redis.UniversalOptions) { o.MaxRetries, o.ContextTimeoutEnabled = -1, true })
			s := newStageOn(t, rdb, good, bad)
			for _, queue := range []string{good, bad} {
				s.put(queue, spec(func(sp *schedule.Spec) {
					sp.Every, sp.Coalesce, sp.MaxInstances = task.Duration(100*time.Millisecond), false, 0
					sp.Task.Queue = queue
				}))
			}
			stop := s.lead(s.config())
			s.eventually("both fire", func() bool { return s.get(good).Runs > 3 && s.get(bad).Runs > 3 })
			master := cluster.Master("asynq:{" + bad + "}:pending")
			fail.away(master)
			goesOn := func(who string) {
				before := len(s.pending(good))
				s.eventually("the other queue gets its tasks "+who, func() bool { return len(s.pending(good)) >= before+20 })
			}
			goesOn("from the same leader")
			s.must(stop())
			stop = s.lead(s.config())
			goesOn("from the next leader")

			fail.back(master)
			cluster.AwaitWhole()
			before := s.get(bad).Runs
			s.eventually("it goes on as well", func() bool { return s.get(bad).Runs > before+3 })
			s.must(stop())
		})
	}
}

// queuesApart returns the names of two queues: one on the same master as the schedules, and one on another.
func queuesApart(cluster *redistest.Cluster, schedules *redistest.Server) (same, other string) {
	for n := 0; same == "" || other == ""; n++ {
		name := fmt.Sprintf("q%d", n)
		if cluster.Master("asynq:{"+name+"}:pending") == schedules {
			same = name
		} else {
			other = name
		}
	}
	return same, other
}

// forgetful is queues that go out of reach after they got their ticks.
type forgetful struct{ beat.Queues }

func (forgetful) Acked(context.Context, *schedule.Batch) error {
	return task.Unavailable(os.ErrDeadlineExceeded)
}

func TestQueueGoesAwayBeforeItsTicksAreForgotten(t *testing.T) {
	s := newStage(t)
	s.put("s", spec(func(sp *schedule.Spec) { sp.Every, sp.MaxInstances = task.Duration(50*time.Millisecond), 0 }))
	cfg := s.config()
	cfg.Queues = forgetful{cfg.Queues}
	stop := s.lead(cfg)
	s.eventually("it goes on", func() bool { return s.get("s").Runs > 5 })
	s.must(stop())
}
