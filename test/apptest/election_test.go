package apptest

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// failoverPatience is far beyond what a machine under load takes (two seconds), and far below the minute in which go-redis
// would notice the election by itself.
const failoverPatience = 20 * time.Second

// A master of a cluster dies, and its replica takes its place: that of the schedules and of a queue. Tasks of all queues run
// again, and schedules fire. How long after the election is logged.
func TestElectionInACluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, redistest.WithReplicas())
	const beatKey = "backbeat:schedules:{beat}:due"
	dies := c.Master(beatKey)
	hit := queueOn(c, func(m *redistest.Server) bool { return m == dies })
	other := queueOn(c, func(m *redistest.Server) bool { return m != dies })
	env := []string{
		"BACKBEAT_REDIS_URL=" + c.URL(), fmt.Sprintf("BACKBEAT_QUEUES=%s=1,%s=1", hit, other), "BACKBEAT_DEBUG_TASKS=true",
	}
	start(t, "worker", env...)
	start(t, "beat", env...)
	start(t, "beat", env...)
	api := start(t, "api", env...)
	for _, queue := range []string{hit, other} {
		finishesIn(t, api, queue)
	}
	schedule := fmt.Sprintf(`{"every":"1s","task":{"type":"debug.echo","queue":%q,"payload":{"n":1}}}`, hit)
	if a := api.call("PUT", "/v1/schedules/s", schedule); a.Status != http.StatusCreated {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	await(t, "the schedule fires", func() bool { return ticks(t, api) > 0 })

	dies.Kill()
	finishesIn(t, api, other) // needs nothing of the master that is away
	c.AwaitFailover(beatKey, dies)
	elected := time.Now()
	finishesIn(t, api, other)
	finishesIn(t, api, hit)
	tasks := time.Since(elected)
	before := 0 // as long as they cannot be read
	await(t, "runs can be read", func() bool { before = ticks(t, api); return before > 0 })
	await(t, "schedules fire", func() bool { return ticks(t, api) > before })
	fires := time.Since(elected)
	t.Logf("tasks of all queues ran %s after the election, schedules fired %s after it", tasks, fires)
	if fires > failoverPatience {
		t.Errorf("all runs again %s after the election", fires)
	}
}

// queueOn returns the name of a queue whose master will do.
func queueOn(c *redistest.Cluster, will func(*redistest.Server) bool) string {
	for i := 0; ; i++ {
		if name := fmt.Sprintf("q%d", i); will(c.Master("asynq:{" + name + "}:pending")) {
			return name
		}
	}
}
