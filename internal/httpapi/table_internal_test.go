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
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

// newTestRouter returns a router with all routes that there may be. Their handlers have no stores.
func newTestRouter() (*echo.Echo, *rest.Table) {
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	e, table, _ := newRouter(&Config{
		Tasks: struct{ Tasks }{}, Types: &catalog.Catalog{}, Monitor: nothing, Metrics: nothing,
		Routes: []Routes{{Add: func(g *echo.Group) { g.POST("/orders/:id", func(echo.Context) error { return nil }) }}},
	})
	return e, table
}

// Each route of the router and of the OpenAPI document is in the table, with a scope that there is.
func TestEveryRouteIsInTheTable(t *testing.T) {
	e, table := newTestRouter()
	scopes := []string{
		rest.Public, auth.TasksRead, auth.TasksWrite, auth.SchedulesRead, auth.SchedulesWrite, auth.QueuesRead, auth.QueuesWrite, auth.Admin,
	}
	names := make(map[string]string) // operations, by method and path
	n := 0
	for r := range table.All() {
		n++
		names[r.Method+" "+r.Path] = r.OperationID
		if !slices.Contains(scopes, r.Scope) {
			t.Errorf("%s %s takes the scope %q", r.Method, r.Path, r.Scope)
		}
	}
	if n != len(e.Routes()) || n < 50 {
		t.Errorf("the table has %d routes, and the router %d", n, len(e.Routes()))
	}
	for path, item := range table.OpenAPI().Paths {
		for _, op := range rest.Operations(item) {
			if op.OperationID == "" || names[op.Method+" "+path] != op.OperationID {
				t.Errorf("%s %s of the OpenAPI document is not in the table", op.Method, path)
			}
		}
	}
}

func TestRoutesThatTheTableRefuses(t *testing.T) {
	nothing := func(echo.Context) error { return nil }
	nowhere := rest.Route{Operation: huma.Operation{Method: http.MethodGet, Path: "/v1/x"}}
	for name, add := range map[string]func(*echo.Echo, *rest.Table){
		"no scope of an operation": func(_ *echo.Echo, t *rest.Table) {
			t.Add(rest.Handle(nowhere, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil }))
		},
		"no scope of a page": func(_ *echo.Echo, t *rest.Table) { t.Add(rest.Page(http.MethodGet, "/x", "", nothing)) },
		"twice":              func(_ *echo.Echo, t *rest.Table) { t.Add(rest.Page(http.MethodGet, "/healthz", rest.Public, nothing)) },
		"past the table":     func(e *echo.Echo, t *rest.Table) { e.GET("/x", nothing); t.Check() },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("the table takes it")
				}
			}()
			e, table := newTestRouter()
			add(e, table)
		})
	}
}
