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
)

// addBeat adds a beat, which leads or stands by.
func (a *App) addBeat(cfg *config.Config, dial dialer) {
	rdb := dial.beatClient()
	client := queue.NewClient(rdb, brokerQueues(cfg.Queues))
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

	lead := newBackground(func(ctx context.Context) {
		elector.Run(ctx, func(ctx context.Context, term lease.Term) {
			meter.Leads(term.Number)
			defer meter.StandsBy()
			if err := leader.Lead(ctx, term.Number, term.Valid); err != nil {
				meter.TermFailed()
				a.logger.Error("the work of the leader has failed; whoever leads next goes on with it", "term", term.Number, "error", err)
			}
		})
	})
	tick := newBackground(clock.Run)
	a.addAdmin("beat admin", cfg.Beat.AdminAddr, rdb)
	a.add(part{
		name: "beat",
		start: func(ctx context.Context) error {
			if err := startClock(ctx, rdb, clock, a); err != nil {
				return err
			}
			a.awaitTypes(ctx)
			_ = tick.start(ctx)
			return lead.start(ctx)
		},
		stop: func() {
			lead.stop()
			tick.stop()
			client.Close()
			_ = rdb.Close() // nothing more to be done with it
		},
	})
}

// startClock waits until Redis has told the time: no tick is to be early by the local clock.
func startClock(ctx context.Context, rdb redis.UniversalClient, clock *redisstore.Clock, a *App) error {
	if err := setup.Await(ctx, rdb, a.logger); err != nil {
		return err
	}
	return clock.Sync(ctx)
}

// self is what others see of this process.
func self() lease.Holder {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return lease.Holder{ID: uuid.NewString(), Host: host, PID: os.Getpid()}
}
