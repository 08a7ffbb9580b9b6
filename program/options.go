package program

import (
	"fmt"
	"log/slog"
	"maps"
	"regexp"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/testclock"
	"github.com/backbeat-go/backbeat/task"
)

// Option changes how a program is made. It is a task.Set without types, so that it can stand among them.
type Option func(*options)

// Handlers returns none.
func (Option) Handlers() []*task.Handler { return nil }

// Logger sets where the program logs to. Default: standard error, as log.level and log.format say.
func Logger(l *slog.Logger) Option { return func(o *options) { o.logger = l } }

// Prefix says where in the server of the caller's own the API is, such as /backbeat. Links, Location headers, the OpenAPI
// document, the documentation and the dashboard follow it. The router may leave it in the path of requests to App.Handler or
// cut it off as http.StripPrefix does. Default: none, the API is at the root.
func Prefix(path string) Option { return func(o *options) { o.prefix = path } }

// Routes adds routes of the caller's own to the API, below the same prefix and behind the same authentication: callers need
// scope, which is one of the scopes of api.keys, or one of your own that JWTs have; "" means admin. Their requests have ids,
// are logged, measured, limited in rate and in the size of bodies, and their errors are answered as problems: those of
// echo.NewHTTPError by their status, those of package task by their code, any other as 500. Requests that are not GET, HEAD,
// OPTIONS or TRACE are audited, as route.post and so on with their path as the target. The routes are not in the OpenAPI
// document. Middleware is for routes, or for groups of g with a path. The paths /v1, /docs and /monitor, all below them, and
// those that the API has are taken: New panics then.
func Routes(scope string, add func(g *echo.Group)) Option {
	return func(o *options) { o.routes = append(o.routes, httpapi.Routes{Scope: scope, Add: add}) }
}

// Use puts middleware around the handlers of all types, the first outermost.
func Use(middleware ...task.Middleware) Option {
	return func(o *options) { o.middleware = append(o.middleware, middleware...) }
}

// OnFailure sets what is called with each attempt that failed, for a reporter of errors. It is called inline and must not
// block. The error may be a *task.PanicError, which has the stack.
func OnFailure(report task.FailureHook) Option { return func(o *options) { o.failed = report } }

// Configurable is a set that needs the configuration of the program, such as tasks.Builtin. Workers use what Configure
// returns; other programs only look at the types.
type Configurable interface {
	task.Set
	Configure(cfg *config.Config) (task.Set, error)
}

// options are what a program is made of, beside its configuration.
type options struct {
	sets       []task.Set
	middleware []task.Middleware
	failed     task.FailureHook
	logger     *slog.Logger
	prefix     string
	routes     []httpapi.Routes
	clock      *testclock.Clock // nil unless a test moves the program's time
}

var prefixPattern = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

func (o *options) checkPrefix() error {
	if o.prefix != "" && !prefixPattern.MatchString(o.prefix) {
		return fmt.Errorf("prefix %q: must be a path such as /backbeat, without a slash at its end", o.prefix)
	}
	return nil
}

func newOptions(sets []task.Set) options {
	var o options
	for _, set := range sets {
		switch set := set.(type) {
		case Option:
			set(&o)
		case *testclock.Clock:
			o.clock = set
		default:
			o.sets = append(o.sets, set)
		}
	}
	return o
}

// types returns the catalog of the program's task types, as its API and its beat need them.
func (o *options) types(cfg *config.Config) (*catalog.Catalog, error) {
	c := catalog.New(cfg.Queues.Names(), cfg.Retention)
	for _, set := range o.sets {
		for _, h := range set.Handlers() {
			if h.Type.Debug && !cfg.DebugTasks {
				continue
			}
			if err := c.Add(h.Type); err != nil {
				return nil, err
			}
		}
	}
	if cfg.DebugTasks {
		c.AllowDebug()
	}
	if len(cfg.Callback.Secrets) > 0 {
		c.AllowCallbacks()
	}
	return c, nil
}

// handlers returns what the program's worker runs, by the names of types.
func (o *options) handlers(cfg *config.Config, q client.Enqueuer) (map[string]*task.Handler, error) {
	sets := make([]task.Set, len(o.sets))
	for i, set := range o.sets {
		sets[i] = set
		if c, ok := set.(Configurable); ok {
			var err error
			if sets[i], err = c.Configure(cfg); err != nil {
				return nil, err
			}
		}
	}
	byName, err := catalog.Handlers(append([]task.Middleware{client.Middleware(q)}, o.middleware...), sets...)
	if !cfg.DebugTasks {
		maps.DeleteFunc(byName, func(_ string, h *task.Handler) bool { return h.Type.Debug })
	}
	return byName, err
}
