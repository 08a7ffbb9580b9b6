package program

import (
	"context"
	"os"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/enqueue"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/localredis"
	"github.com/backbeat-go/backbeat/internal/telemetry"
	"github.com/backbeat-go/backbeat/task"
)

// New puts a program together. Nothing runs before App.Run. It returns a *config.Error if the configuration's schedules do
// not fit the task types of sets, or its API could not authenticate anybody. It changes nothing that belongs to the process.
func New(cfg *config.Config, p Program, sets ...task.Set) (*App, error) {
	o := newOptions(sets)
	if found := o.check(p, cfg); len(found) > 0 {
		return nil, &config.Error{Errors: found}
	}
	if err := o.checkPrefix(); err != nil {
		return nil, err
	}
	if o.logger == nil {
		o.logger = telemetry.NewLogger(os.Stderr, cfg.Log.Level, cfg.Log.Format)
	}
	a := newApp(string(p), o)
	if p == Standalone && cfg.Redis.URL == "" {
		// The address of its own Redis is known only once that runs, so everything else comes with it.
		a.add(a.ownRedis(cfg))
		return a, nil
	}
	return a, a.addProgram(p, cfg)
}

func (a *App) addProgram(p Program, cfg *config.Config) error {
	dial, err := a.newDialer(cfg.Redis)
	if err != nil {
		return err
	}
	if a.types, err = a.options.types(cfg); err != nil {
		return err
	}
	a.measure(cfg)
	a.addClient(p, cfg, dial)
	switch p {
	case Worker:
		return a.addWorker(cfg, dial)
	case Beat:
		a.addBeat(cfg, dial)
		return nil
	case API:
		return a.addAPI(cfg, dial)
	default: // a worker first and the API last: who gets an answer finds everything running
		if err := a.addWorker(cfg, dial); err != nil {
			return err
		}
		a.addBeat(cfg, dial)
		return a.addAPI(cfg, dial)
	}
}

// addClient adds the client that handlers and the program's owner enqueue with, and what keeps the types up to date by which it
// checks requests.
func (a *App) addClient(p Program, cfg *config.Config, dial dialer) {
	rdb := dial.apiClient()
	a.client = backbeat.NewClient(rdb, backbeat.WithQueues(cfg.Queues.Names()...), a.sharedTypes)
	a.add(part{name: "client", stop: func() {
		a.client.Close()
		_ = rdb.Close() // nothing more to be done with it
	}})
	a.addTypes(p, cfg, rdb)
}

// sharedTypes lets a client check requests by the catalog of the program.
func (a *App) sharedTypes(o *enqueue.Options) { o.Catalog = a.types }

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
			if err := a.addProgram(Standalone, &own); err != nil {
				server.Stop() // a part that did not start is not stopped
				return err
			}
			return nil
		},
		stop: func() { server.Stop() },
	}
}

func brokerQueues(queues config.Queues) []fleet.Queue {
	list := make([]fleet.Queue, len(queues))
	for i, q := range queues {
		list[i] = fleet.Queue(q)
	}
	return list
}
