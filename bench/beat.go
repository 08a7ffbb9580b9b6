package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/ticks"
	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// beats are the scenarios of schedules. Stock asynq's Scheduler keeps them in its memory, and does not fail over.
func beats() []scenario {
	return []scenario{
		{
			"PUT of 20,000 schedules over HTTP", nil, putOverHTTP,
			[]line{{unit: "schedules/s", goal: goal{least: 5000}}},
		},
		{
			"100,000 schedules due on one minute", waveOfAsynq, wave,
			[]line{
				{"all enqueued after", "s", true, goal{most: 1}},
				{"memory of beat, peak", "MiB", true, goal{most: 300}},
				{"CPU of beat between ticks", "% of a core", true, goal{most: 5}},
			},
		},
		{
			"1,000 schedules due every second", everySecondOfAsynq, everySecond,
			[]line{{"late, p99", "ms", true, goal{most: 20}}},
		},
		{
			"failover of beat", nil, failover,
			[]line{{"after kill -9", "s", true, goal{most: 6}}, {"after SIGTERM", "s", true, goal{most: 1}}},
		},
	}
}

// startBeats starts beat programs on the Redis of the benchmark.
func (b *bench) startBeats(ctx context.Context, n int) (beats []*program, stop func(), err error) {
	dir := b.redis.dir
	build := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), "github.com/backbeat-go/backbeat/cmd/beat")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("build beat: %w: %s", err, out)
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "BACKBEAT_REDIS_URL=redis://" + b.redis.addr + "/0",
		"BACKBEAT_DEBUG_TASKS=true", "BACKBEAT_LOG_FORMAT=json",
	}
	stop = func() {
		for _, p := range beats {
			p.stop()
		}
	}
	for range n {
		p, err := startProgram(ctx, env, filepath.Join(dir, "beat"))
		if err != nil {
			stop()
			return nil, nil, err
		}
		beats = append(beats, p)
	}
	return beats, stop, nil
}

// schedules is the store, as an API has it.
func (b *bench) schedules(ctx context.Context, client *queue.Client) (*redisstore.Schedules, error) {
	clock := redisstore.NewClock(b.redis.rdb, lease.SystemClock(), slog.New(slog.DiscardHandler))
	return redisstore.NewSchedules(b.redis.rdb, clock, ticks.New(b.redis.rdb, client)), clock.Sync(ctx)
}

// putMany puts n schedules. Their tasks are never run, so none must wait for another.
func (b *bench) putMany(ctx context.Context, n int, trigger func(*schedule.Spec)) error {
	client := queue.NewClient(b.redis.rdb, queues)
	defer client.Close()
	store, err := b.schedules(ctx, client)
	if err != nil {
		return err
	}
	return atOnce(32, 0, n, func(i int) error {
		spec := schedule.NewSpec()
		spec.MaxInstances = 0
		spec.Task = schedule.Template{Type: "debug.echo", Payload: fmt.Appendf(nil, `{"url":"https://example.com/%d"}`, i)}
		trigger(&spec)
		id := fmt.Sprintf("schedule-%06d", i)
		_, err := store.Update(ctx, id, func(*schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
			s, err := schedule.Put(nil, id, spec, false, schedule.OriginAPI, store.Now())
			return s, nil, err
		})
		return err
	})
}

// putOverHTTP puts schedules through an API that is a process of its own, over 64 connections that stay open.
func putOverHTTP(ctx context.Context, b *bench, _ system) ([]float64, error) {
	url, stop, err := b.startPrograms(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	const clients = 64
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = clients //nolint:forcetypeassert // it is one
	const body = `{"cron": "*/5 9-17 * * mon-fri", "timezone": "Asia/Shanghai",
		"task": {"type": "http.request", "payload": {"url": "https://example.com/crawl"}}}`
	first, n := b.scaled(1000), b.scaled(20_000)
	put := func(i int) error {
		_, err := call(ctx, http.MethodPut, fmt.Sprintf("%s/v1/schedules/schedule-%06d", url, i), body)
		return err
	}
	if err := atOnce(clients, 0, first, put); err != nil { // until connections are open and all has run
		return nil, err
	}
	start := time.Now()
	if err := atOnce(clients, first, first+n, put); err != nil {
		return nil, err
	}
	took := time.Since(start).Seconds()
	if got := b.redis.rdb.ZCard(ctx, "backbeat:schedules:{beat}:ids").Val(); got != int64(first+n) {
		return nil, fmt.Errorf("%d of %d schedules are there", got, first+n)
	}
	return []float64{float64(n) / took}, nil
}

// atOnce does pieces of work, from one number until before another, so many at a time.
func atOnce(workers, from, until int, do func(i int) error) error {
	errs := make(chan error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := from + w; i < until; i += workers {
				if err := do(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// nextMinute returns one that is far enough away to get ready for.
func nextMinute(ready time.Duration) time.Time {
	minute := time.Now().Truncate(time.Minute).Add(time.Minute)
	if time.Until(minute) < ready {
		minute = minute.Add(time.Minute)
	}
	return minute
}

// awaitWave empties the queue just before the minute and returns how long after it n tasks are there.
func (b *bench) awaitWave(ctx context.Context, minute time.Time, n int) (float64, error) {
	time.Sleep(time.Until(minute.Add(-200 * time.Millisecond)))
	pending := "asynq:{" + queueName + "}:pending"
	b.redis.rdb.Del(ctx, pending)
	for time.Since(minute) < 50*time.Second && ctx.Err() == nil {
		if b.redis.rdb.LLen(ctx, pending).Val() >= int64(n) {
			return time.Since(minute).Seconds(), nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, fmt.Errorf("after %s there are %d of %d tasks", time.Since(minute), b.redis.rdb.LLen(ctx, pending).Val(), n)
}

func wave(ctx context.Context, b *bench, _ system) ([]float64, error) {
	n := b.scaled(100_000)
	// The first minute is not measured: schedules may be put while it comes.
	if err := b.putMany(ctx, n, func(s *schedule.Spec) { s.Cron = "* * * * *"; s.StartAt = nextMinute(20 * time.Second) }); err != nil {
		return nil, err
	}
	programs, stop, err := b.startBeats(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer stop()
	beat := programs[0]
	minute := nextMinute(20 * time.Second)
	took, err := b.awaitWave(ctx, minute, n)
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Until(minute.Add(10 * time.Second)))
	before, err := beat.cpu()
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Until(minute.Add(55 * time.Second))) // it reads what comes next in this time
	after, err := beat.cpu()
	if err != nil {
		return nil, err
	}
	got := b.redis.rdb.LLen(ctx, "asynq:{"+queueName+"}:pending").Val()
	if got != int64(n) {
		return nil, fmt.Errorf("%d tasks for %d schedules", got, n)
	}
	kib, err := beat.memory("VmHWM")
	return []float64{took, kib / 1024, (after - before) / 45 * 100}, err
}

// waveOfAsynq lets asynq's Scheduler do the same.
func waveOfAsynq(ctx context.Context, b *bench, _ system) ([]float64, error) {
	n := b.scaled(100_000)
	stop, err := b.asynqScheduler(n, "* * * * *")
	if err != nil {
		return nil, err
	}
	defer stop()
	took, err := b.awaitWave(ctx, nextMinute(2*time.Second), n)
	return []float64{took}, err
}

func (b *bench) asynqScheduler(n int, spec string) (stop func(), err error) {
	scheduler := asynq.NewScheduler(asynq.RedisClientOpt{Addr: b.redis.addr}, &asynq.SchedulerOpts{LogLevel: asynq.FatalLevel})
	for i := range n {
		payload := fmt.Appendf(nil, `{"url":"https://example.com/%d"}`, i)
		if _, err := scheduler.Register(spec, asynq.NewTask("bench", payload), asynq.Queue(queueName)); err != nil {
			return nil, err
		}
	}
	return scheduler.Shutdown, scheduler.Start()
}

// measuredSeconds is for how long schedules tick every second.
const measuredSeconds = 10

func everySecond(ctx context.Context, b *bench, _ system) ([]float64, error) {
	_, stop, err := b.startBeats(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer stop()
	n := b.scaled(1000)
	start := time.Now().Truncate(time.Second).Add(5 * time.Second)
	err = b.putMany(ctx, n, func(s *schedule.Spec) {
		s.Every, s.StartAt, s.EndAt = task.Duration(time.Second), start, start.Add((measuredSeconds-1)*time.Second)
		s.Coalesce = false // a tick that is late by more than a second is to be seen, too
	})
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Until(start.Add((measuredSeconds + 1) * time.Second)))
	late, err := b.lateness(ctx, n*measuredSeconds)
	return []float64{late}, err
}

func everySecondOfAsynq(ctx context.Context, b *bench, _ system) ([]float64, error) {
	n := b.scaled(1000)
	stop, err := b.asynqScheduler(n, "@every 1s")
	if err != nil {
		return nil, err
	}
	time.Sleep(measuredSeconds * time.Second)
	stop()
	late, err := b.lateness(ctx, 0)
	return []float64{late}, err
}

// lateness returns by how much tasks came to be pending after their second, p99, in ms.
func (b *bench) lateness(ctx context.Context, want int) (float64, error) {
	ids := b.redis.rdb.LRange(ctx, "asynq:{"+queueName+"}:pending", 0, -1).Val()
	if want > 0 && len(ids) != want {
		return 0, fmt.Errorf("%d tasks for %d ticks", len(ids), want)
	}
	late := make([]time.Duration, 0, len(ids))
	for _, id := range ids {
		since, err := strconv.ParseInt(b.redis.rdb.HGet(ctx, "asynq:{"+queueName+"}:t:"+id, "pending_since").Val(), 10, 64)
		if err != nil {
			return 0, err
		}
		at := time.Unix(0, since)
		late = append(late, at.Sub(at.Truncate(time.Second)))
	}
	return quantile(late, 0.99), nil
}

// failover kills the leader of two, and then ends the other.
func failover(ctx context.Context, b *bench, _ system) ([]float64, error) {
	programs, stop, err := b.startBeats(ctx, 2)
	if err != nil {
		return nil, err
	}
	defer stop()
	var took []float64
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		pid, err := b.leader(ctx, 0)
		if err != nil {
			return nil, err
		}
		if sig == syscall.SIGTERM { // the one that was killed is replaced
			more, stopMore, err := b.startBeats(ctx, 1)
			if err != nil {
				return nil, err
			}
			defer stopMore()
			programs = append(programs, more...)
		}
		time.Sleep(1500 * time.Millisecond) // into the term
		for _, p := range programs {
			if p.cmd.Process.Pid == pid {
				_ = p.cmd.Process.Signal(sig) // it runs: it leads
			}
		}
		start := time.Now()
		if _, err := b.leader(ctx, pid); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start).Seconds())
	}
	return took, nil
}

// leader returns the process that leads, when it is not the other.
func (b *bench) leader(ctx context.Context, other int) (pid int, err error) {
	for ctx.Err() == nil {
		data, err := b.redis.rdb.Get(ctx, "backbeat:schedules:{beat}:leader").Result()
		var h struct{ PID int }
		if err == nil && json.Unmarshal([]byte(data), &h) == nil && h.PID != 0 && h.PID != other {
			return h.PID, nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return 0, ctx.Err()
}

// cpu returns the seconds of processor time that a process has used.
func (p *program) cpu() (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("processor time of a process is only known on Linux: %w", err)
	}
	// After the name in parentheses: the 12th and 13th field are user and system time in hundredths of a second.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100, err
}
