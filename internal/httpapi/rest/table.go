package rest

import (
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"
)

// Table holds all routes, and adds them to the router. The middlewares look up the route of a request in it, so that no
// property of a route is derived from the text of a path.
type Table struct {
	Limits
	echo   *echo.Echo
	api    huma.API
	routes map[routeKey]*Route
	paths  map[string]*Route // one route of each path, public only if all are
}

// Limits are the same for all operations.
type Limits struct {
	// MaxBodyBytes bounds request bodies; larger ones are answered with 413.
	MaxBodyBytes int64
	// BodyTimeout is how long a client may take to send a body; slower ones are answered with 408.
	BodyTimeout time.Duration
	// Logger gets the causes of answers with 500 and 503.
	Logger *slog.Logger
}

// routeKey is how echo names a route. The path is in echo's notation.
type routeKey struct{ method, path string }

// NewTable returns a table for a router, with operations described by a configuration of huma.
func NewTable(e *echo.Echo, described huma.Config, limits Limits) *Table {
	return &Table{
		Limits: limits, echo: e, api: humaecho.New(e, described),
		routes: make(map[routeKey]*Route), paths: make(map[string]*Route),
	}
}

// OpenAPI returns the description of all operations in the table.
func (t *Table) OpenAPI() *huma.OpenAPI { return t.api.OpenAPI() }

// Schemas returns the schemas of the OpenAPI document.
func (t *Table) Schemas() huma.Registry { return t.OpenAPI().Components.Schemas }

// All returns the routes, in no order.
func (t *Table) All() iter.Seq[*Route] { return maps.Values(t.routes) }

// Add adds routes to the router. It panics if a route declares no scope, or is there already.
func (t *Table) Add(routes ...Route) {
	for _, r := range routes {
		if t.has(&r) {
			panic(fmt.Sprintf("route %s %s is there twice", r.Method, r.Path))
		}
		t.enter(&r)
		r.mount(t, &r)
	}
}

// enter adds a route to the table only.
func (t *Table) enter(r *Route) {
	if r.Scope == "" {
		panic(fmt.Sprintf("route %s %s declares no scope", r.Method, r.Path))
	}
	t.routes[routeKey{r.Method, r.path}] = r
	if have := t.paths[r.path]; have == nil || have.Scope == Public {
		t.paths[r.path] = r
	}
}

func (t *Table) has(r *Route) bool { return t.routes[routeKey{r.Method, r.path}] != nil }

// Check panics if the router has a route that the table lacks.
func (t *Table) Check() {
	for _, r := range t.echo.Routes() {
		if t.routes[routeKey{r.Method, r.Path}] == nil {
			panic(fmt.Sprintf("route %s %s is not in the table of routes", r.Method, r.Path))
		}
	}
}

// Match returns the route that echo's router has found for a request; nil for an unknown path or a wrong method.
func (t *Table) Match(c echo.Context) *Route {
	if r := t.routes[routeKey{c.Request().Method, c.Path()}]; r != nil {
		return r
	}
	return t.routes[routeKey{echo.RouteNotFound, c.Path()}] // of a group with middleware, see AddOwn
}

// Scope returns what the caller of a request needs: Public, a scope, or "" for valid credentials with any scopes. The
// last is for unknown paths and wrong methods, so that strangers cannot explore the API. A wrong method of a public path
// is public too.
func (t *Table) Scope(c echo.Context) string {
	if r := t.Match(c); r != nil {
		return r.Scope
	}
	if r := t.paths[c.Path()]; r != nil && r.Scope == Public {
		return Public
	}
	return ""
}

// Template returns the path of a request's route in the notation of OpenAPI, whatever the method; "" for unknown paths.
func (t *Table) Template(c echo.Context) string {
	if r := t.paths[c.Path()]; r != nil {
		return r.Path
	}
	return ""
}

// Operations returns the operations of a path.
func Operations(item *huma.PathItem) []*huma.Operation {
	all := []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Options, item.Head, item.Patch, item.Trace}
	return slices.DeleteFunc(all, func(op *huma.Operation) bool { return op == nil })
}
