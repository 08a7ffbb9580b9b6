package apptest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	beatqueues "github.com/backbeat-go/backbeat/internal/broker/ticks"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// beats are several beat programs on one Redis, each behind a link that can be cut.
type beats struct {
	t         *testing.T
	redis     *redistest.Server
	rdb       *redis.Client
	ttl       time.Duration
	schedules *redisstore.Schedules
	lease     *redisstore.Lease
	running   []*oneBeat
}

type oneBeat struct {
	*program
	link *redistest.Link
}

func newBeats(t *testing.T, n int, ttl time.Duration, opts ...redistest.Option) *beats {
	t.Helper()
	server := redistest.Start(t, opts...)
	b := &beats{t: t, redis: server, rdb: server.Client(t), ttl: ttl}
	client := queue.NewClient(b.rdb, []fleet.Queue{{Name: "default", Weight: 1}})
	t.Cleanup(client.Close)
	clock := redisstore.NewClock(b.rdb, lease.SystemClock(), slog.New(slog.DiscardHandler))
	if err := clock.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.schedules = redisstore.NewSchedules(b.rdb, clock, beatqueues.New(b.rdb, client))
	b.lease = redisstore.NewLease(b.rdb)
	for range n {
		b.start()
	}
	return b
}

func (b *beats) start() {
	b.t.Helper()
	link := redistest.StartLink(b.t, b.redis.Addr())
	p := start(b.t, "beat", "BACKBEAT_REDIS_URL=redis://"+link.Addr()+"/0", "BACKBEAT_BEAT_LEASE_TTL="+b.ttl.String(), "BACKBEAT_DEBUG_TASKS=true")
	b.running = append(b.running, &oneBeat{p, link})
}

// leader returns the place of the beat that leads, and waits until one does that is not the other.
func (b *beats) leader(other int) (place int, term int64) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); nap() {
		h, _, err := b.lease.Leadership(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if h == nil || h.PID == other {
			continue
		}
		for i, one := range b.running {
			if one.cmd.Process.Pid == h.PID {
				return i, h.Term
			}
		}
	}
	b.t.Fatal("nobody leads")
	return 0, 0
}

// everySecond makes schedules that tick each second, each of them once.
func (b *beats) everySecond(n int) {
	b.t.Helper()
	for i := range n {
		spec := schedule.NewSpec()
		spec.Every, spec.Coalesce, spec.MaxInstances = task.Duration(time.Second), false, 0
		spec.Task = schedule.Template{Type: "debug.echo", Payload: json.RawMessage(`{}`)}
		id := fmt.Sprintf("s%d", i)
		_, err := b.schedules.Update(b.t.Context(), id, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
			s, err := schedule.Put(current, id, spec, false, schedule.OriginAPI, b.schedules.Now())
			return s, nil, err
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// check stops all schedules, and wants each tick to have become one task, none of them early.
func (b *beats) check(n int) {
	b.t.Helper()
	ctx := b.t.Context()
	want := make(map[string]bool)
	for i := range n {
		id := fmt.Sprintf("s%d", i)
		s, err := b.schedules.Update(ctx, id, func(current *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
			return schedule.Pause(current, schedule.PausedByUser, b.schedules.Now()), nil, nil
		})
		if err != nil {
			b.t.Fatal(err)
		}
		if s.Missed+s.Skipped > 0 {
			b.t.Errorf("%s: %d ticks missed, %d skipped", id, s.Missed, s.Skipped)
		}
		for k := range s.Runs {
			want[schedule.TickID(id, s.Anchor.Add(time.Duration(k)*time.Second))] = true
		}
	}
	for b.rdb.HLen(ctx, "backbeat:schedules:{beat}:outbox").Val() > 0 {
		nap()
	}
	worst := time.Duration(0)
	for i := range n {
		runs, err := b.schedules.Runs(ctx, fmt.Sprintf("s%d", i), schedule.RunsKept)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, r := range runs {
			worst = max(worst, r.Lateness)
			if r.Lateness < 0 {
				b.t.Errorf("%s was %s early", r.TaskID, -r.Lateness)
			}
		}
	}
	seen := make(map[string]bool)
	for _, id := range b.rdb.LRange(ctx, "asynq:{default}:pending", 0, -1).Val() {
		if seen[id] {
			b.t.Errorf("%s is there twice", id)
		}
		seen[id] = true
		if !want[id] {
			b.t.Errorf("%s is no tick that has run", id)
		}
	}
	for id := range want {
		if !seen[id] {
			b.t.Errorf("%s became no task", id)
		}
	}
	b.t.Logf("%d ticks, at most %s late", len(want), worst)
}

// Leaders are killed, stopped beyond their lease and woken, and cut off from Redis, again and again.
func TestBeatsSurviveAnything(t *testing.T) {
	t.Parallel()
	const schedules = 50
	b := newBeats(t, 3, time.Second)
	b.everySecond(schedules)
	for round := range 15 {
		place, term := b.leader(0)
		one := b.running[place]
		pid := one.cmd.Process.Pid
		<-time.After(rand.N(time.Second)) // into whatever it is doing then
		switch round % 3 {
		case 0:
			one.kill()
			b.running = append(b.running[:place], b.running[place+1:]...)
			b.start()
		case 1:
			_ = one.cmd.Process.Signal(syscall.SIGSTOP)
			_, next := b.leader(pid)
			if next <= term {
				t.Errorf("term %d came after term %d", next, term)
			}
			_ = one.cmd.Process.Signal(syscall.SIGCONT)
		case 2:
			one.link.Cut()
			b.leader(pid)
			one.link.Mend()
		}
	}
	b.leader(0)
	<-time.After(2 * time.Second)
	b.check(schedules)
}

// Another leads when the lease of a beat that was killed has ended.
func TestFailover(t *testing.T) {
	t.Parallel()
	b := newBeats(t, 2, 5*time.Second)
	b.everySecond(1)
	place, _ := b.leader(0)
	pid := b.running[place].cmd.Process.Pid
	b.running[place].kill()
	b.running = append(b.running[:place], b.running[place+1:]...)
	b.start()
	b.leader(pid)
	b.check(1)
}

// A beat that is told to stop hands over: its lease lasts far longer than the test waits.
func TestBeatThatStopsHandsOver(t *testing.T) {
	t.Parallel()
	b := newBeats(t, 2, 2*patience)
	b.everySecond(1)
	place, _ := b.leader(0)
	one := b.running[place]
	_ = one.cmd.Process.Signal(syscall.SIGTERM)
	b.leader(one.cmd.Process.Pid)
	<-one.done
	if code := one.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	b.check(1)
}

func TestBeatsOverARestartOfRedis(t *testing.T) {
	t.Parallel()
	const schedules = 50
	b := newBeats(t, 2, time.Second, redistest.WithAOF())
	b.everySecond(schedules)
	b.leader(0)
	for range 4 {
		<-time.After(time.Second + rand.N(time.Second))
		b.redis.Kill()
		b.redis.Restart()
	}
	b.leader(0)
	<-time.After(2 * time.Second)
	b.check(schedules)
}

func TestBeatTells(t *testing.T) {
	t.Parallel()
	b := newBeats(t, 1, time.Second)
	b.leader(0)
	if code := b.running[0].stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{`"leading"`, `"no longer leading"`} {
		if !strings.Contains(b.running[0].logs(), want) {
			t.Errorf("its log does not say %s", want)
		}
	}
}

// What goes wrong where the scheduler lives in each web process: here are two API processes and two beats, and each tick
// is one task.
func TestSeveralProcessesFireOnce(t *testing.T) {
	t.Parallel()
	redisEnv := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	apis := []*program{start(t, "api", redisEnv, "BACKBEAT_DEBUG_TASKS=true"), start(t, "api", redisEnv, "BACKBEAT_DEBUG_TASKS=true")}
	start(t, "beat", redisEnv, "BACKBEAT_DEBUG_TASKS=true")
	start(t, "beat", redisEnv, "BACKBEAT_DEBUG_TASKS=true")
	start(t, "worker", redisEnv, "BACKBEAT_DEBUG_TASKS=true")
	for i, api := range apis {
		body := `{"every": "1s", "task": {"type": "debug.echo", "payload": {"n": 1}}}`
		if a := api.call("PUT", "/v1/schedules/crawl", body); a.Status != 201-i {
			t.Errorf("PUT to process %d answers %d: %s", i, a.Status, a.Body)
		}
	}
	runs := func() []document {
		var list struct{ Items []document }
		if err := json.Unmarshal(apis[1].call("GET", "/v1/schedules/crawl/runs", "").Body, &list); err != nil {
			t.Fatal(err)
		}
		return list.Items
	}
	for deadline := time.Now().Add(patience); len(runs()) < 5 && time.Now().Before(deadline); {
		nap()
	}
	apis[0].call("POST", "/v1/schedules/crawl/pause", "")
	seen := make(map[string]bool)
	for _, r := range runs() {
		if tick := fmt.Sprint(r["tick"]); r["outcome"] != "fired" || seen[tick] {
			t.Errorf("%v", r)
		} else {
			seen[tick] = true
		}
	}
	var tasks struct{ Items []document }
	if err := json.Unmarshal(apis[0].call("GET", "/v1/tasks?limit=1000", "").Body, &tasks); err != nil {
		t.Fatal(err)
	}
	var schedule document
	if err := json.Unmarshal(apis[0].call("GET", "/v1/schedules/crawl", "").Body, &schedule); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(schedule["run_count"]) != fmt.Sprint(len(tasks.Items)) || len(tasks.Items) < 5 {
		t.Errorf("%d tasks, and run_count is %v", len(tasks.Items), schedule["run_count"])
	}
}
