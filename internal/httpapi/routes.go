package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

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
func (a *api) addRoutes(e *echo.Echo) {
	a.scopes = make(map[route]string)
	taken := make(map[route]bool)
	for _, r := range e.Routes() {
		taken[route{r.Method, r.Path}] = true
	}
	for _, routes := range a.Routes {
		own := make(map[route]bool)
		// echo replaces a route that there is already without a word.
		e.OnAddRouteHandler = func(_ string, r echo.Route, _ echo.HandlerFunc, _ []echo.MiddlewareFunc) {
			at := route{r.Method, r.Path}
			switch {
			case r.Method == echo.RouteNotFound && strings.Trim(r.Path, "/*") == "":
				panic("middleware of the whole group would answer for all paths: give it to routes, or to a g.Group with a path")
			case taken[at] || own[at] || isReserved(r.Path):
				panic(fmt.Sprintf("route %s %s belongs to the API, or is there twice", r.Method, r.Path))
			}
			own[at] = true
		}
		routes.Add(e.Group(""))
		for at := range own {
			taken[at], a.scopes[at] = true, cmp.Or(routes.Scope, auth.Admin)
		}
	}
	e.OnAddRouteHandler = nil
}

func isReserved(path string) bool {
	for _, root := range []string{"/v1", "/docs", "/monitor"} {
		if path == root || strings.HasPrefix(path, root+"/") {
			return true
		}
	}
	return false
}

// neededScope returns what a caller must be allowed to do for the request that the router has found a route for.
func (a *api) neededScope(c echo.Context) string {
	r := c.Request()
	if scope, own := a.scopes[route{r.Method, c.Path()}]; own {
		return scope
	}
	return scopeOf(r.Method, r.URL.Path)
}

// isOwn reports whether the route of a request is one of Routes.
func (a *api) isOwn(c echo.Context) bool {
	_, own := a.scopes[route{c.Request().Method, c.Path()}]
	return own
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
