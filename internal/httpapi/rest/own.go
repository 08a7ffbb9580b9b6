package rest

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
)

// AddOwn adds routes of the program that embeds the API. It panics if one of them is in the table already, or below a path
// that belongs to the API.
func (t *Table) AddOwn(scope string, add func(g *echo.Group)) {
	// Without this, echo would replace a route that is there already.
	t.echo.OnAddRouteHandler = func(_ string, added echo.Route, _ echo.HandlerFunc, _ []echo.MiddlewareFunc) {
		r := ownRoute(added, scope)
		switch {
		case added.Method == echo.RouteNotFound && strings.Trim(added.Path, "/*") == "":
			panic("middleware of the whole group would answer for all paths: give it to routes, or to a g.Group with a path")
		case t.has(r) || isReserved(added.Path):
			panic(fmt.Sprintf("route %s %s belongs to the API, or is there twice", added.Method, added.Path))
		}
		t.enter(r)
	}
	defer func() { t.echo.OnAddRouteHandler = nil }()
	add(t.echo.Group(""))
}

func ownRoute(added echo.Route, scope string) *Route {
	return &Route{
		Operation: huma.Operation{Method: added.Method, Path: echoParameter.ReplaceAllString(added.Path, "{$1}")}, path: added.Path,
		Scope: scope, Action: ActionOf("route", added.Method), isOwn: true,
	}
}

var echoParameter = regexp.MustCompile(`:(\w+)`)

// ActionOf returns the audit action of requests to a handler that is not part of the API, such as route.post; "" for
// methods that change nothing.
func ActionOf(noun, method string) string {
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
