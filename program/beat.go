package program

import (
	"context"
	"os"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/beat"
	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/setup"
	"github.com/backbeat-go/backbeat/internal/broker/ticks"
	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/startstop"
)

// addBeat adds a beat, which leads or stands by.
func (a *App) addBeat(cfg *config.Config, dial dialer) {
	rdb := a.own(dial.beatClient())
	client := queue.NewClient(rdb, brokerQueues(cfg.Queues))
	a.parts.Add("client of the beat", startstop.Closer(client.Close))
	client.Measure(a.metrics.Client(sourceBeat))
	queues := ticks.New(rdb, client)
	clock := redisstore.NewClock(rdb, dial.localClock(), a.logger)
	schedules := redisstore.NewSchedules(rdb, clock, queues)
	meter := a.metrics.Beat()
	a.metrics.WatchSchedules(countIn(schedules))
	leader := beat.New(beat.Config{
		Journal: schedules, Store: schedules, Queues: queues, Types: a.types, Schedules: configured(cfg.Schedules), Logger: a.logger, Meter: meter,
	})
	elector := lease.NewElector(redisstore.NewLease(rdb), self(), cfg.Beat.LeaseTTL, a.logger, lease.SystemClock())

	a.addAdmin("beat admin", cfg.Beat.AdminAddr, rdb)
	a.addClock(rdb, clock)
	a.parts.Add("beat", startstop.Background(func(ctx context.Context) {
		a.awaitTypes(ctx)
		elector.Run(ctx, func(ctx context.Context, term lease.Term) {
			meter.Leads(term.Number)
			defer meter.StandsBy()
			if err := leader.Lead(ctx, term.Number, term.Valid); err != nil {
				meter.TermFailed()
				a.logger.Error("the leader has failed; the next leader goes on with its work", "term", term.Number, "error", err)
			}
		})
	}))
}

// addClock adds the clock of the beat. It starts when Redis has told the time: no tick is to be early by the local clock.
func (a *App) addClock(rdb redis.UniversalClient, clock *redisstore.Clock) {
	run := startstop.Background(clock.Run)
	a.parts.Add("clock of the beat", startstop.New(func(ctx context.Context) error {
		if err := setup.Await(ctx, rdb, a.logger); err != nil {
			return err
		}
		if err := clock.Sync(ctx); err != nil {
			return err
		}
		return run.Start(ctx)
	}, run.Stop))
}

// self describes this process to others.
func self() lease.Holder {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return lease.Holder{ID: uuid.NewString(), Host: host, PID: os.Getpid()}
}
