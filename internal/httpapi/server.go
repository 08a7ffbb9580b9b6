package httpapi

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/httpapi/auditlog"
	"github.com/backbeat-go/backbeat/internal/httpapi/console"
	"github.com/backbeat-go/backbeat/internal/httpapi/fleet"
	"github.com/backbeat-go/backbeat/internal/httpapi/guard"
	"github.com/backbeat-go/backbeat/internal/httpapi/openapi"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/internal/httpapi/schedules"
	"github.com/backbeat-go/backbeat/internal/httpapi/tasks"
	"github.com/backbeat-go/backbeat/internal/ratelimit"
	"github.com/backbeat-go/backbeat/internal/schedule"
)

// Tasks is where the tasks are, with their queues and workers.
type Tasks interface {
	tasks.Store
	schedules.Tasks
	fleet.Tasks
}

// Config is what the API consists of.
type Config struct {
	Tasks     Tasks
	Schedules schedule.Store
	Beats     fleet.Beats
	Audit     auditlog.Store
	Types     *catalog.Catalog
	// Auth identifies callers; nil: everybody may do everything.
	Auth guard.Authenticator
	// Prefix is the path that the API is served below, such as /backbeat; "" is for none. Links follow it. Requests may have
	// it in their path or not.
	Prefix string
	// Monitor is the dashboard. It serves /monitor and all below, with the prefix before it.
	Monitor http.Handler
	// Meter counts requests; nil: they are not counted. Metrics serves /metrics; nil: there is no such route.
	Meter   RequestMeter
	Metrics http.Handler
	Logger  *slog.Logger
	// MaxBodyBytes bounds request bodies; larger ones are answered with 413.
	MaxBodyBytes int64
	// RateLimit is the limit of each caller, counted in Buckets: each principal, or each address where there is no Auth.
	RateLimit ratelimit.Rate
	Buckets   guard.Buckets
	// RefusalRate is how often an address may send bad credentials; more are answered with 429. Default: 100 at once, and
	// then one a second.
	RefusalRate ratelimit.Rate
	// BodyTimeout is how long a client may take to send a body; slower ones are answered with 408. Default: 30 s.
	BodyTimeout time.Duration
	// MaxWaiters bounds the requests that wait for a task or follow one; more are answered with 429. Default: 10,000.
	MaxWaiters int
	// Heartbeat is the time without events after which a stream gets a comment, and how long its client may take to receive
	// an event before the stream is closed. Default: 15 s.
	Heartbeat time.Duration
	// Routes are routes of the program that embeds the API.
	Routes []Routes
	// Stopping is closed when the server stops, which ends streams of events; nil: it never stops.
	Stopping <-chan struct{}
	Version  string
	// AllowedHosts are the host names, besides localhost, that an API without Auth answers to. Addresses are always
	// allowed.
	AllowedHosts []string
}

// Routes are routes of the program that embeds the API, with the API's authentication, rate limits, request ids, log, audit and
// problems. They are not in the OpenAPI document.
type Routes struct {
	// Scope is what a caller needs for any of them. Default: admin.
	Scope string
	// Add adds them. New panics if it adds a route that the API has, or one below /v1, /docs and /monitor.
	Add func(g *echo.Group)
}

// New returns the handler of the whole API. It panics if a route declares no scope, or is there twice.
func New(cfg Config) http.Handler {
	e, _, guards := newRouter(&cfg)
	return rest.WithRequestID(rest.Below(cfg.Prefix, guard.Drain(guards.Secure(e))))
}

// newRouter returns the router with all routes and middlewares, the table of the routes, and the guard of the middlewares.
func newRouter(cfg *Config) (*echo.Echo, *rest.Table, *guard.Guard) {
	e := echo.New()
	table := rest.NewTable(e, openapi.Describe(cfg.Version, cfg.Prefix), rest.Limits{
		MaxBodyBytes: cfg.MaxBodyBytes, BodyTimeout: cmp.Or(cfg.BodyTimeout, 30*time.Second), Logger: cfg.Logger,
	})
	guards := guard.New(guard.Config{
		Auth: cfg.Auth, AllowedHosts: cfg.AllowedHosts, RateLimit: cfg.RateLimit, Buckets: cfg.Buckets, RefusalRate: cfg.RefusalRate,
		MaxBodyBytes: cfg.MaxBodyBytes, Logger: cfg.Logger,
	}, table)
	audit := &auditlog.Log{Store: cfg.Audit, Routes: table, Anonymous: cfg.Auth == nil, Logger: cfg.Logger}
	api := newTasks(cfg, table)
	s := &server{table, cfg}
	e.HTTPErrorHandler = s.handleError
	if cfg.Meter != nil {
		e.Pre(s.measure) // around all else
	}
	e.Use(rest.UnescapeParams, s.logRequests, audit.Record, recoverPanics, guards.Authorize, guards.LimitRate,
		guard.JoinParams, guard.RequireForm, guards.DecodeBody, guards.LimitBody, api.WaitEarly)
	addRoutes(cfg, table, slices.Concat(api.Routes(), audit.Resource()))
	table.Check()
	return e, table, guards
}

// newTasks returns the part of the API whose waiting requests have a middleware too.
func newTasks(cfg *Config, table *rest.Table) *tasks.API {
	return tasks.New(tasks.Config{
		Tasks: cfg.Tasks, Types: cfg.Types, Schemas: table.Schemas(), Prefix: cfg.Prefix, MaxWaiters: cfg.MaxWaiters,
		Heartbeat: cfg.Heartbeat, Stopping: cfg.Stopping, Logger: cfg.Logger,
	})
}

// addRoutes adds all routes to the table: some that are given, those of the other resources, the OpenAPI document of these, and
// those of the program.
func addRoutes(cfg *Config, table *rest.Table, routes []rest.Route) {
	timetable := &schedules.API{
		Schedules: cfg.Schedules, Tasks: cfg.Tasks, Types: cfg.Types, Schemas: table.Schemas(), Prefix: cfg.Prefix, Logger: cfg.Logger,
	}
	deployment := &fleet.API{Tasks: cfg.Tasks, Beats: cfg.Beats, Schedules: cfg.Schedules, Metrics: cfg.Metrics}
	pages := &console.API{Prefix: cfg.Prefix, Monitor: cfg.Monitor}
	table.Add(slices.Concat(routes, timetable.Routes(), deployment.Routes(), pages.Routes())...)
	table.Add(openapi.Route(table.OpenAPI(), cfg.Types.Types))
	for _, own := range cfg.Routes {
		table.AddOwn(cmp.Or(own.Scope, auth.Admin), own.Add)
	}
}

// Server returns an HTTP server for the handler, with time-outs for what clients send and receive. Streams of events set
// their own.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      tasks.MaxWait + 30*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

// Unavailable answers requests while the API does not run.
func Unavailable() http.Handler {
	return rest.WithRequestID(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		rest.NewProblem(http.StatusServiceUnavailable, "the API does not run yet, or no longer; try again").Write(w)
	}))
}
