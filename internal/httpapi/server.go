package httpapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/ratelimit"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// Tasks is where the tasks are. Its errors bear a task.Code.
type Tasks interface {
	// Now is the time that tasks are judged by.
	Now() time.Time
	Enqueue(ctx context.Context, t *task.Task) error
	EnqueueAll(ctx context.Context, tasks []*task.Task) []error
	// EnqueueOnce enqueues one task for all requests with the same idempotency key, and says whether it had been done before.
	// It waits up to limit for the task's end.
	EnqueueOnce(
		ctx context.Context, request catalog.Idempotency, prepare func(now time.Time) (*task.Task, error), limit time.Duration,
	) (*task.Task, bool, error)
	Get(ctx context.Context, id string) (*task.Task, error)
	Wait(ctx context.Context, id string) (*task.Task, error)
	// EnqueueAndWait enqueues the task and waits up to limit for its end.
	EnqueueAndWait(ctx context.Context, t *task.Task, limit time.Duration) (*task.Task, error)
	// Follow returns a channel that holds the task as it is, then whenever it has changed as it is then; it is closed when
	// the task is gone. stop must be called.
	Follow(ctx context.Context, id string) (news <-chan *task.Task, stop func(), err error)
	List(ctx context.Context, f fleet.Filter, cursor string, limit int) (fleet.Page, error)
	Cancel(ctx context.Context, id string) (*task.Task, error)
	Retry(ctx context.Context, id string) (*task.Task, error)
	Run(ctx context.Context, id string) (*task.Task, error)
	Delete(ctx context.Context, id string) error
	Queues(ctx context.Context) ([]fleet.QueueStatus, error)
	Queue(ctx context.Context, name string) (*fleet.QueueStatus, error)
	Pause(ctx context.Context, queue string) error
	Resume(ctx context.Context, queue string) error
	Workers(ctx context.Context) ([]fleet.WorkerStatus, error)
	Ping(ctx context.Context) error
	// Bulk takes an action on many tasks. Its result is right, as far as it got, where there is an error too.
	Bulk(ctx context.Context, change fleet.Bulk) (fleet.BulkResult, error)
	// States returns the states of tasks, "" for those that are gone.
	States(ctx context.Context, ids []string) ([]task.State, error)
}

// Config is what the API is made of.
type Config struct {
	Tasks     Tasks
	Schedules schedule.Store
	Beats     Beats
	Audit     AuditLog
	Types     *catalog.Catalog
	// Auth says who a caller is; nil: everybody may do everything.
	Auth Authenticator
	// Prefix is the path that the API is served below, such as /backbeat; "" is for none. Links follow it. Requests may have
	// it in their path or not.
	Prefix string
	// Monitor is the dashboard. It serves /monitor and all below, with the prefix before it.
	Monitor http.Handler
	// Meter is told of requests; nil: nobody is. Metrics serves /metrics; nil: nothing does.
	Meter   RequestMeter
	Metrics http.Handler
	Logger  *slog.Logger
	// MaxBodyBytes bounds request bodies; larger ones are answered with 413.
	MaxBodyBytes int64
	// RateLimit is what each caller is held to, in Buckets: each principal, or each address where there is no Auth.
	RateLimit ratelimit.Rate
	Buckets   Buckets
	// RefusalRate is how often an address may send bad credentials; more are answered with 429. Default: 100 at once, and
	// then one a second.
	RefusalRate ratelimit.Rate
	// BodyTimeout is how long a client may take to send a body; slower ones are answered with 408. 0: 30 s.
	BodyTimeout time.Duration
	// MaxWaiters bounds the requests that wait for a task or follow one; more are answered with 429. Default: 10,000.
	MaxWaiters int
	// Heartbeat is how often a stream of events without any gets a comment, and how long its client may take to take
	// an event before it is cut off. Default: 15 s.
	Heartbeat time.Duration
	// Routes are beside those of the API.
	Routes []Routes
	// Stopping is closed when the server is to stop, which ends streams of events; nil: it never does.
	Stopping <-chan struct{}
	Version  string
	// AllowedHosts are the host names, besides localhost, that an API without Auth answers to. Addresses are always
	// allowed.
	AllowedHosts []string
}

// api holds what the handlers share.
type api struct {
	Config
	table    *table
	schemas  huma.Registry // of the OpenAPI document
	requests *requestReader
	bulks    *bodyReader[bulkRequest]
	waits    waits
	refusals *refusals
}

// New returns the handler of the whole API. It panics if a route is not as the table wants it, or in the way of another.
func New(cfg Config) http.Handler {
	return withRequestID(below(cfg.Prefix, drainBodies(secure(cfg, newAPI(cfg).table.echo))))
}

func newAPI(cfg Config) *api {
	cfg.MaxWaiters = cmp.Or(cfg.MaxWaiters, defaultMaxWaiters)
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, defaultHeartbeat)
	e := echo.New()
	table := newTable(e, describe(cfg.Version, cfg.Prefix), &cfg)
	schemas := table.OpenAPI().Components.Schemas
	a := &api{
		Config: cfg, table: table, schemas: schemas,
		waits: make(waits, cfg.MaxWaiters), refusals: newRefusals(cmp.Or(cfg.RefusalRate, defaultRefusalRate)),
		requests: newRequestReader(cfg.Types, schemas), bulks: newBodyReader[bulkRequest](schemas, "BulkRequest"),
	}
	e.HTTPErrorHandler = a.handleError
	if cfg.Meter != nil {
		e.Pre(a.measure) // around all else
	}
	e.Use(unescapeParams, a.logRequests, a.audit, recoverPanics, a.authorize, a.limitRate, joinParams, requireForm, a.decodeBody, a.limitBody, a.waitEarly)
	table.add(a.routes()...)
	describeAnswers(table.OpenAPI())
	describeNulls(table.OpenAPI())
	table.add(openAPIRoute(table.OpenAPI(), cfg.Types.Types))
	for _, routes := range cfg.Routes {
		a.addRoutes(routes)
	}
	table.check()
	return a
}

// routes returns all routes but that of the OpenAPI document, which describes them, and those of Config.Routes.
func (a *api) routes() []Route {
	return slices.Concat(
		a.creationRoutes(), a.taskRoutes(), a.eventRoutes(), a.batchRoutes(), a.bulkRoutes(), a.taskTypeRoutes(), a.queueRoutes(),
		a.scheduleRoutes(), a.beatRoutes(), a.workerRoutes(), a.auditRoutes(), a.healthRoutes(), a.metricsRoutes(), a.pageRoutes(),
	)
}

// Server returns an HTTP server for the handler, with limits on what clients may take their time for. Streams of events set
// their own.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      maxWait + 30*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}
