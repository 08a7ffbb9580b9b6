package httpapi

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"
)

// table holds all routes, and adds them to the router. The middlewares look up the route of a request in it: nothing
// about a route is derived from the text of a path.
type table struct {
	huma.API
	echo         *echo.Echo
	logger       *slog.Logger
	maxBodyBytes int64
	bodyTimeout  time.Duration

	routes map[routeKey]*Route
	paths  map[string]*Route // one route of each path, public only if all are
}

// routeKey is how echo names a route. The path is in echo's notation.
type routeKey struct{ method, path string }

func newTable(e *echo.Echo, described huma.Config, cfg *Config) *table {
	return &table{
		API: humaecho.New(e, described), echo: e, logger: cfg.Logger,
		maxBodyBytes: cfg.MaxBodyBytes, bodyTimeout: cmp.Or(cfg.BodyTimeout, 30*time.Second),
		routes: make(map[routeKey]*Route), paths: make(map[string]*Route),
	}
}

// add adds routes to the router. It panics if a route declares no scope, or is there already.
func (t *table) add(routes ...Route) {
	for _, r := range routes {
		if t.has(&r) {
			panic(fmt.Sprintf("route %s %s is there twice", r.Method, r.Path))
		}
		t.enter(&r)
		r.mount(t, &r)
	}
}

// enter adds a route to the table only.
func (t *table) enter(r *Route) {
	if r.Scope == "" {
		panic(fmt.Sprintf("route %s %s declares no scope", r.Method, r.Path))
	}
	t.routes[routeKey{r.Method, r.path}] = r
	if have := t.paths[r.path]; have == nil || have.Scope == Public {
		t.paths[r.path] = r
	}
}

func (t *table) has(r *Route) bool { return t.routes[routeKey{r.Method, r.path}] != nil }

// check panics if the router has a route that the table lacks.
func (t *table) check() {
	for _, r := range t.echo.Routes() {
		if t.routes[routeKey{r.Method, r.Path}] == nil {
			panic(fmt.Sprintf("route %s %s is not in the table of routes", r.Method, r.Path))
		}
	}
}

// match returns the route that echo's router has found for a request; nil for an unknown path or a wrong method.
func (t *table) match(c echo.Context) *Route {
	if r := t.routes[routeKey{c.Request().Method, c.Path()}]; r != nil {
		return r
	}
	return t.routes[routeKey{echo.RouteNotFound, c.Path()}] // of a group among Config.Routes
}

// scope returns what the caller of a request needs: Public, a scope, or "" for valid credentials with whatever scope. The
// last is for unknown paths and wrong methods, which nobody but callers with credentials is told of. A wrong method of a
// public path is public too.
func (t *table) scope(c echo.Context) string {
	if r := t.match(c); r != nil {
		return r.Scope
	}
	if r := t.paths[c.Path()]; r != nil && r.Scope == Public {
		return Public
	}
	return ""
}

// template returns the path of a request's route in the notation of OpenAPI, whatever the method; "" for unknown paths.
func (t *table) template(c echo.Context) string {
	if r := t.paths[c.Path()]; r != nil {
		return r.Path
	}
	return ""
}
