package httpapi

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/catalog"
)

// newTestAPI returns an API with all routes that there may be. Its handlers have no stores.
func newTestAPI() *api {
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	return newAPI(Config{
		Tasks: struct{ Tasks }{}, Types: &catalog.Catalog{}, Monitor: nothing, Metrics: nothing,
		Routes: []Routes{{Add: func(g *echo.Group) { g.POST("/orders/:id", func(echo.Context) error { return nil }) }}},
	})
}

// Each route of the router and of the OpenAPI document is in the table, with a scope that there is.
func TestEveryRouteIsInTheTable(t *testing.T) {
	a := newTestAPI()
	scopes := []string{
		Public, auth.TasksRead, auth.TasksWrite, auth.SchedulesRead, auth.SchedulesWrite, auth.QueuesRead, auth.QueuesWrite, auth.Admin,
	}
	routes := a.table.echo.Routes()
	if len(routes) < 50 {
		t.Errorf("the router has %d routes only", len(routes))
	}
	for _, r := range routes {
		if at := a.table.routes[routeKey{r.Method, r.Path}]; at == nil || !slices.Contains(scopes, at.Scope) {
			t.Errorf("%s %s: %+v", r.Method, r.Path, at)
		}
	}
	for path, item := range a.table.OpenAPI().Paths {
		for _, op := range operationsOf(item) {
			isThere := func(r *Route) bool { return r.Method == op.Method && r.Path == path && r.OperationID == op.OperationID }
			found := false
			for _, r := range a.table.routes {
				found = found || isThere(r)
			}
			if !found {
				t.Errorf("%s %s of the OpenAPI document is not in the table", op.Method, path)
			}
		}
	}
}

func TestRoutesWithoutAPlaceInTheTable(t *testing.T) {
	nothing := func(echo.Context) error { return nil }
	for name, add := range map[string]func(*table){
		"no scope of an operation": func(t *table) {
			t.add(Handle(Route{Operation: huma.Operation{Method: http.MethodGet, Path: "/v1/x"}}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil }))
		},
		"no scope of a page": func(t *table) { t.add(Page(http.MethodGet, "/x", "", nothing)) },
		"twice":              func(t *table) { t.add(Page(http.MethodGet, "/healthz", Public, nothing)) },
		"not by the table":   func(t *table) { t.echo.GET("/x", nothing); t.check() },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("the table takes it")
				}
			}()
			add(newTestAPI().table)
		})
	}
}
