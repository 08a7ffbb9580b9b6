package program

import (
	"context"
	"net/http"

	"github.com/hibiken/asynqmon"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/setup"
	"github.com/backbeat-go/backbeat/internal/broker/ticks"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/httpapi/guard"
	"github.com/backbeat-go/backbeat/internal/redisstore"
)

const monitorPath = "/monitor"

func (a *App) addAPI(cfg *config.Config, dial dialer) error {
	callers, err := authenticator(cfg, a.logger)
	if err != nil {
		return err
	}
	rdb := dial.apiClient()
	client := queue.NewClient(rdb, brokerQueues(cfg.Queues))
	client.Measure(a.metrics.Client(sourceAPI))
	// Another client for schedules: a change that is sent twice would find that somebody else was quicker.
	store := dial.beatClient()
	queues := ticks.New(rdb, client)
	clock := redisstore.NewClock(store, dial.localClock(), a.logger)
	// A scrape asks by the client that heeds a time-out at once: Prometheus does not wait as long as callers do.
	watched := queue.NewClient(store, brokerQueues(cfg.Queues))
	a.metrics.WatchQueues(watched.Queues)
	log := redisstore.NewAudit(store)
	stopping := make(chan struct{})
	monitor := asynqmon.New(asynqmon.Options{RootPath: a.options.prefix + monitorPath, RedisConnOpt: dial})
	handler := httpapi.New(httpapi.Config{
		Tasks:        client,
		Schedules:    redisstore.NewSchedules(store, clock, queues),
		Beats:        redisstore.NewLease(store),
		Audit:        log,
		Types:        a.types,
		Auth:         callers.asInterface(),
		Prefix:       a.options.prefix,
		Routes:       a.options.routes,
		Monitor:      monitor,
		Meter:        a.metrics.Requests(),
		Metrics:      a.metrics.Handler(),
		Logger:       a.logger,
		MaxBodyBytes: cfg.API.MaxBodyBytes,
		RateLimit:    cfg.API.RateLimit,
		Buckets:      redisstore.NewBuckets(store),
		MaxWaiters:   cfg.API.MaxWaiters,
		Stopping:     stopping,
		Version:      Version(),
		AllowedHosts: cfg.API.AllowedHosts,
	})
	// It serves before Redis answers, and says so at /readyz.
	watch := newBackground(func(ctx context.Context) {
		if err := setup.Await(ctx, rdb, a.logger); err != nil && ctx.Err() == nil {
			a.fail(err)
		}
	})
	a.add(part{name: "redis check", start: watch.start, stop: watch.stop})
	tick := newBackground(clock.Run)
	a.add(part{name: "clock", start: tick.start, stop: tick.stop})
	a.add(part{name: "task client", stop: func() {
		client.Close()
		watched.Close()
		log.Close()
		callers.close()
		_ = monitor.Close() // nothing more to be done with either
		_ = rdb.Close()
		_ = store.Close()
	}})
	a.serveAPI(cfg, handler, callers.Authenticator != nil, func() { close(stopping) })
	return nil
}

// serveAPI serves the API by the handler that the caller has taken, or else at the configured address. onStop is called when
// the end begins.
func (a *App) serveAPI(cfg *config.Config, handler http.Handler, protected bool, onStop func()) {
	server := httpapi.Server(handler)
	server.RegisterOnShutdown(onStop)
	listening := a.serverPart("api", cfg.API.Addr, server)
	if !protected && !cfg.API.Insecure {
		handler = guard.OnlyLocal(handler)
	}
	mounted := false
	a.add(part{
		name: "api",
		start: func(ctx context.Context) error {
			if mounted = a.mount.taken.Load(); !mounted {
				return listening.start(ctx)
			}
			a.attrs = append(a.attrs, "api", "handler", "prefix", a.options.prefix)
			a.mount.open(handler)
			return nil
		},
		stop: func() {
			if !mounted {
				listening.stop()
				return
			}
			onStop()
			a.mount.close()
		},
	})
}
