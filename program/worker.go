package program

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/broker/setup"
	"github.com/backbeat-go/backbeat/internal/broker/worker"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/internal/startstop"
	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

func (a *App) addWorker(cfg *config.Config, dial dialer) error {
	handlers, err := a.options.handlers(cfg, a.Client())
	if err != nil {
		return err
	}
	rdb := dial.workerClient()
	server := worker.New(rdb, worker.Config{
		Types:           a.types,
		Handlers:        handlers,
		Failed:          a.options.failed,
		Fatal:           a.parts.Fail,
		Queues:          brokerQueues(cfg.Worker.Queues),
		Callback:        newCallback,
		StrictPriority:  cfg.StrictPriority,
		MaxResultBytes:  cfg.MaxResultBytes,
		Concurrency:     cfg.Worker.Concurrency,
		ShutdownTimeout: cfg.Worker.ShutdownTimeout,
		Logger:          a.logger,
		Meter:           a.metrics.Worker(cfg.Worker.Queues.Names()),
	})
	a.parts.Add("redis client of the worker", startstop.Closer(func() { closeDrained(server, rdb) }))
	a.addAdmin("worker admin", cfg.Worker.AdminAddr, rdb)
	a.parts.Add("worker", startstop.New(func(ctx context.Context) error {
		return a.startWorker(ctx, server, rdb, cfg)
	}, func(ctx context.Context) { startstop.Wait(ctx, server.Stop) }))
	// Stopped before the worker: nothing is to count on one that takes no more tasks.
	return a.addRegistration(cfg, rdb, server.ID(), handlers)
}

// closeDrained closes the client of a worker that has ended. Otherwise Redis does not answer, and the end of the process closes it:
// asynq panics if its subscription ends before it does.
func closeDrained(server *worker.Server, rdb redis.UniversalClient) {
	select {
	case <-server.Drained():
		_ = rdb.Close() // nothing can be done about an error
	default:
	}
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
