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
	"github.com/backbeat-go/backbeat/internal/startstop"
)

const monitorPath = "/monitor"

func (a *App) addAPI(cfg *config.Config, dial dialer) error {
	callers, err := authenticator(cfg, a.logger)
	if err != nil {
		return err
	}
	a.parts.Add("credentials", startstop.Closer(callers.close))
	rdb := a.own(dial.apiClient())
	client := queue.NewClient(rdb, brokerQueues(cfg.Queues))
	a.parts.Add("client of the API", startstop.Closer(client.Close))
	client.Measure(a.metrics.Client(sourceAPI))
	// Another client for schedules: a change that is sent twice would find that somebody else was quicker.
	store := a.own(dial.beatClient())
	queues := ticks.New(rdb, client)
	clock := redisstore.NewClock(store, dial.localClock(), a.logger)
	// A scrape asks by the client that heeds a time-out at once: Prometheus does not wait as long as callers do.
	watched := queue.NewClient(store, brokerQueues(cfg.Queues))
	a.parts.Add("client of the metrics", startstop.Closer(watched.Close))
	a.metrics.WatchQueues(watched.Queues)
	log := redisstore.NewAudit(store)
	a.parts.Add("audit log", startstop.Closer(log.Close))
	stopping := make(chan struct{})
	monitor := asynqmon.New(asynqmon.Options{RootPath: a.options.prefix + monitorPath, RedisConnOpt: dial})
	a.parts.Add("dashboard", startstop.Closer(func() { _ = monitor.Close() })) // nothing can be done about an error
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
	a.parts.Add("redis check", startstop.Background(func(ctx context.Context) {
		if err := setup.Await(ctx, rdb, a.logger); err != nil && ctx.Err() == nil {
			a.parts.Fail(err)
		}
	}))
	a.parts.Add("clock of the API", startstop.Background(clock.Run))
	a.serveAPI(cfg, handler, callers.Authenticator != nil, func() { close(stopping) })
	return nil
}

// serveAPI serves the API by the handler that the caller has taken, or else at the configured address. onStop is called at the
// beginning of the end.
func (a *App) serveAPI(cfg *config.Config, handler http.Handler, protected bool, onStop func()) {
	server := httpapi.Server(handler)
	server.RegisterOnShutdown(onStop)
	listening := a.newServer("api", cfg.API.Addr, server)
	if !protected && !cfg.API.Insecure {
		handler = guard.OnlyLocal(handler)
	}
	mounted := false
	a.parts.Add("api", startstop.New(func(ctx context.Context) error {
		if mounted = a.mount.taken.Load(); !mounted {
			return listening.Start(ctx)
		}
		a.attrs = append(a.attrs, "api", "handler", "prefix", a.options.prefix)
		a.mount.open(handler)
		return nil
	}, func(ctx context.Context) {
		if !mounted {
			listening.Stop(ctx)
			return
		}
		onStop()
		a.mount.close(ctx)
	}))
}
