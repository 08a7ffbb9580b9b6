package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/auth"
)

// Routes are routes beside those of the API, with its authentication, rate limits, request ids, log and problems. They are not
// in the OpenAPI document.
type Routes struct {
	// Scope is what a caller needs for any of them. Default: admin.
	Scope string
	// Add adds them. It must not add what the API has itself, and nothing below /v1, /docs and /monitor.
	Add func(g *echo.Group)
}

// addRoutes adds routes beside those of the API, which come first. It panics if they are in each other's way, as the router of
// net/http does.
func (a *api) addRoutes(routes Routes) {
	e := a.table.echo
	scope := cmp.Or(routes.Scope, auth.Admin)
	// echo replaces a route that is there already without a word.
	e.OnAddRouteHandler = func(_ string, added echo.Route, _ echo.HandlerFunc, _ []echo.MiddlewareFunc) {
		r := ownRoute(added, scope)
		switch {
		case added.Method == echo.RouteNotFound && strings.Trim(added.Path, "/*") == "":
			panic("middleware of the whole group would answer for all paths: give it to routes, or to a g.Group with a path")
		case a.table.has(r) || isReserved(added.Path):
			panic(fmt.Sprintf("route %s %s belongs to the API, or is there twice", added.Method, added.Path))
		}
		a.table.enter(r)
	}
	defer func() { e.OnAddRouteHandler = nil }()
	routes.Add(e.Group(""))
}

func ownRoute(added echo.Route, scope string) *Route {
	return &Route{
		Operation: huma.Operation{Method: added.Method, Path: echoParameter.ReplaceAllString(added.Path, "{$1}")}, path: added.Path,
		Scope: scope, Action: actionOf("route", added.Method), isOwn: true,
	}
}

var echoParameter = regexp.MustCompile(`:(\w+)`)

// actionOf names what requests with a method do to something that is not the API's own, such as route.post; "" for methods
// that change nothing.
func actionOf(noun, method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, echo.RouteNotFound:
		return ""
	}
	return noun + "." + strings.ToLower(method)
}

func isReserved(path string) bool {
	for _, root := range []string{"/v1", "/docs", "/monitor"} {
		if path == root || strings.HasPrefix(path, root+"/") {
			return true
		}
	}
	return false
}

// isOwn reports whether the route of a request is one of Routes.
func (a *api) isOwn(c echo.Context) bool {
	r := a.table.match(c)
	return r != nil && r.isOwn
}

// boundBody bounds the body of a route that is not the API's own, however it is encoded.
func (a *api) boundBody(c echo.Context) error {
	r := c.Request()
	if r.ContentLength > a.MaxBodyBytes {
		return newProblem(http.StatusRequestEntityTooLarge, "the body is too large")
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(c.Response(), r.Body, a.MaxBodyBytes)
	}
	return nil
}
