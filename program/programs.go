package program

import (
	"context"
	"os"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/enqueue"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/localredis"
	"github.com/backbeat-go/backbeat/internal/startstop"
	"github.com/backbeat-go/backbeat/internal/telemetry"
	"github.com/backbeat-go/backbeat/task"
)

// New makes a program, which does nothing before App.Run. It returns a *config.Error if the configuration's schedules do
// not fit the task types of sets, or its API could not authenticate anybody. It changes nothing that belongs to the process.
// An App that is not run needs App.Stop.
func New(cfg *config.Config, p Program, sets ...task.Set) (*App, error) {
	o := newOptions(sets)
	if found := o.check(p, cfg); len(found) > 0 {
		return nil, &config.Error{Errors: found}
	}
	return assemble(cfg, p, o)
}

// assemble makes a program of options that have been checked. If that fails, it closes what it has opened.
func assemble(cfg *config.Config, p Program, o options) (*App, error) {
	if err := o.checkPrefix(); err != nil {
		return nil, err
	}
	if o.logger == nil {
		o.logger = telemetry.NewLogger(os.Stderr, cfg.Log.Level, cfg.Log.Format)
	}
	a := newApp(p, cfg, o)
	if p == Standalone && cfg.Redis.URL == "" {
		// The address of its own Redis is known only once that runs, so everything else comes with it.
		a.addOwnRedis(cfg)
		return a, nil
	}
	made := false
	defer func() {
		if !made { // also after a panic
			a.Stop(context.Background())
		}
	}()
	if err := a.addProgram(p, cfg); err != nil {
		return nil, err
	}
	made = true
	return a, nil
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
	rdb := a.own(dial.apiClient())
	c := backbeat.NewClient(rdb, backbeat.WithQueues(cfg.Queues.Names()...), a.sharedTypes)
	a.client.Store(c)
	a.parts.Add("client", startstop.Closer(c.Close))
	a.addTypes(p, cfg, rdb)
}

// sharedTypes lets a client check requests by the catalog of the program.
func (a *App) sharedTypes(o *enqueue.Options) { o.Catalog = a.types }

// addOwnRedis adds a Redis for standalone. When it has started and its address is known, it adds the programs that use it.
func (a *App) addOwnRedis(cfg *config.Config) {
	var server *localredis.Server
	a.parts.Add("redis", startstop.New(func(ctx context.Context) (err error) {
		server, err = localredis.Start(ctx, localredis.Options{Dir: ".backbeat", Logger: a.logger})
		if err != nil {
			return err
		}
		own := *cfg
		own.Redis.URL = config.Secret(server.URL())
		return a.addProgram(Standalone, &own)
	}, func(ctx context.Context) {
		if server != nil {
			startstop.Wait(ctx, server.Stop)
		}
	}))
}

func brokerQueues(queues config.Queues) []fleet.Queue {
	list := make([]fleet.Queue, len(queues))
	for i, q := range queues {
		list[i] = fleet.Queue(q)
	}
	return list
}
