package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/broker"
	"github.com/backbeat-go/backbeat/internal/localredis"
	"github.com/backbeat-go/backbeat/internal/task"
	"github.com/backbeat-go/backbeat/tasks"
)

// New puts a program together. Nothing runs before Run. It returns a *config.Error if the program's schedules do not fit
// its task types, or its API could not authenticate anybody.
func New(p config.Program, cfg *config.Config, logger *slog.Logger) (*App, error) {
	if faults := check(p, cfg); len(faults) > 0 {
		return nil, &config.Error{Faults: faults}
	}
	redis.SetLogger(quietRedis{logger}) // go-redis has one for the whole process
	a := newApp(string(p), logger)
	if p == config.Standalone && cfg.Redis.URL == "" {
		// The address of its own Redis is known only once that runs, so everything else comes with it.
		a.add(a.ownRedis(cfg))
		return a, nil
	}
	return a, a.addProgram(p, cfg)
}

func (a *App) addProgram(p config.Program, cfg *config.Config) error {
	dial, err := newDialer(cfg.Redis)
	if err != nil {
		return err
	}
	if err := a.measure(cfg); err != nil {
		return err
	}
	release := newBackground(func(ctx context.Context) { releaseIdle(ctx, releaseEvery) })
	a.add(part{name: "memory", start: release.start, stop: release.stop})
	switch p {
	case config.WorkerProgram:
		return a.addWorker(cfg, dial)
	case config.BeatProgram:
		return a.addBeat(cfg, dial)
	case config.APIProgram:
		return a.addAPI(cfg, dial)
	default: // a worker first and the API last: who gets an answer finds everything running
		if err := a.addWorker(cfg, dial); err != nil {
			return err
		}
		if err := a.addBeat(cfg, dial); err != nil {
			return err
		}
		return a.addAPI(cfg, dial)
	}
}

// ownRedis starts a Redis for standalone. Once its address is known, the programs on it follow as further parts.
func (a *App) ownRedis(cfg *config.Config) part {
	var server *localredis.Server
	return part{
		name: "redis",
		start: func(ctx context.Context) (err error) {
			server, err = localredis.Start(ctx, localredis.Options{Dir: ".backbeat", Logger: a.logger})
			if err != nil {
				return err
			}
			own := *cfg
			own.Redis.URL = config.Secret(server.URL())
			if err := a.addProgram(config.Standalone, &own); err != nil {
				server.Stop() // a part that did not start is not stopped
				return err
			}
			return nil
		},
		stop: func() { server.Stop() },
	}
}

func registry(cfg *config.Config) (*task.Registry, error) {
	r := task.NewRegistry(cfg.Queues.Names(), cfg.Retention)
	if err := tasks.Register(r, cfg.DebugTasks); err != nil {
		return nil, fmt.Errorf("task types: %w", err)
	}
	if len(cfg.Callback.Secrets) > 0 {
		r.AllowCallbacks()
	}
	return r, nil
}

func brokerQueues(queues config.Queues) []broker.Queue {
	list := make([]broker.Queue, len(queues))
	for i, q := range queues {
		list[i] = broker.Queue(q)
	}
	return list
}
