package program

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/broker/setup"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

func (a *App) addWorker(cfg *config.Config, dial dialer) error {
	handlers, err := a.options.handlers(cfg, a.client)
	if err != nil {
		return err
	}
	rdb := dial.workerClient()
	server := worker.New(rdb, worker.Config{
		Types:           a.types,
		Handlers:        handlers,
		Failed:          a.options.failed,
		Queues:          brokerQueues(cfg.Worker.Queues),
		Callback:        newCallback,
		StrictPriority:  cfg.StrictPriority,
		MaxResultBytes:  cfg.MaxResultBytes,
		Concurrency:     cfg.Worker.Concurrency,
		ShutdownTimeout: cfg.Worker.ShutdownTimeout,
		Logger:          a.logger,
		Meter:           a.metrics.Worker(cfg.Worker.Queues.Names()),
	})
	registered, err := a.registration(cfg, rdb, server.ID(), handlers)
	if err != nil {
		return err
	}
	register := newBackground(registered.Run)
	a.addAdmin("worker admin", cfg.Worker.AdminAddr, rdb)
	a.add(part{
		name: "worker",
		start: func(ctx context.Context) error {
			if err := a.startWorker(ctx, server, rdb, cfg); err != nil {
				return err
			}
			registered.Start(ctx)
			return register.start(context.WithoutCancel(ctx))
		},
		stop: func() {
			register.cancel() // nobody is to count on a worker that takes no more tasks
			server.Stop()
			register.stop()
			select {
			case <-server.Drained():
				_ = rdb.Close() // nothing more to be done with it
			default: // Redis does not answer, and the end of the process closes it
			}
		},
	})
	return nil
}

func newCallback(t *task.Task, resultOmitted bool) (task.Request, error) {
	return tasks.NewCallback(t, resultOmitted, rest.EncodeTask)
}

func (a *App) startWorker(ctx context.Context, server *worker.Server, rdb redis.UniversalClient, cfg *config.Config) error {
	if err := setup.Await(ctx, rdb, a.logger); err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return err
	}
	a.attrs = append(a.attrs, "worker", server.ID(), "concurrency", cfg.Worker.Concurrency, "queues", cfg.Worker.Queues.String())
	return nil
}
