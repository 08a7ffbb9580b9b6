package httpapi_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi"
)

func noContent(c echo.Context) error { return c.NoContent(http.StatusNoContent) }

// withRoutes adds routes of the caller's own.
func withRoutes(scope string, add func(g *echo.Group)) func(*httpapi.Config) {
	return func(c *httpapi.Config) { c.Routes = append(c.Routes, httpapi.Routes{Scope: scope, Add: add}) }
}

// An unknown path and a wrong method are no secret to callers with credentials, whatever their scope, and are to all others.
func TestUnknownPathsAndWrongMethods(t *testing.T) {
	base := serve(t, &stub{}, withKeys(t))
	for _, tt := range []struct {
		method, path string
		known        int // the status for a caller with a key
		unknown      int // the status without one
	}{
		{"GET", "/nowhere", 404, 401},
		{"GET", "/v1/", 404, 401},
		{"GET", "/v1/tasks/a/b/c", 404, 401},
		{"POST", "/v1/schedules/a/b", 404, 401},
		{"PUT", "/v1/tasks", 405, 401},
		{"DELETE", "/v1/audit", 405, 401},
		{"PURGE", "/v1/queues/low", 405, 401},
		{"OPTIONS", "/v1/tasks", 204, 401},
		{"POST", "/healthz", 405, 405},
	} {
		for key, want := range map[string]int{
			"Bearer secret-of-reader": tt.known, "Bearer secret-of-ops": tt.known, "": tt.unknown, "Bearer guess": tt.unknown,
		} {
			var header []string
			if key != "" {
				header = []string{"Authorization", key}
			}
			if got := ask(t, tt.method, base+tt.path, "", header...); got.status != want {
				t.Errorf("%s %s with %q: %d, want %d", tt.method, tt.path, key, got.status, want)
			}
		}
	}
}

func TestChangesByOwnRoutesAreAudited(t *testing.T) {
	log := &auditStub{}
	base := serve(t, &stub{}, withKeys(t), func(c *httpapi.Config) { c.Audit = log }, withRoutes("", func(g *echo.Group) {
		g.Any("/orders/:id", noContent)
		g.POST("/fails", func(echo.Context) error { return echo.ErrTeapot })
	}))
	for _, call := range [][2]string{
		{"GET", "/orders/17"}, {"HEAD", "/orders/17"}, {"OPTIONS", "/orders/17"}, {"POST", "/orders/17"}, {"DELETE", "/orders/17"}, {"POST", "/fails"},
		{"POST", "/nowhere"}, {"PUT", "/fails"},
	} {
		ask(t, call[0], base+call[1], "", "Authorization", "Bearer secret-of-ops")
	}
	ask(t, "PUT", base+"/orders/17", "", "Authorization", "Bearer secret-of-reader")
	ask(t, "PUT", base+"/orders/17", "", "Authorization", "Bearer guess")
	type entry struct {
		principal, action, target string
		status                    int
	}
	var got []entry
	for _, e := range log.all() {
		got = append(got, entry{e.Principal, e.Action, e.Target, e.Status})
	}
	want := []entry{
		{"key:ops", "route.post", "/orders/17", 204},
		{"key:ops", "route.delete", "/orders/17", 204},
		{"key:ops", "route.post", "/fails", 418},
		{"key:reader", "route.put", "/orders/17", 403},
	}
	if !slices.Equal(got, want) {
		t.Errorf("recorded %+v, want %+v", got, want)
	}
}

// The middleware of a group answers for all paths below it, so it takes the scope of the group's routes.
func TestMiddlewareOfOwnRoutesTakesTheirScope(t *testing.T) {
	base := serve(t, &stub{}, withKeys(t), withRoutes(auth.QueuesRead, func(g *echo.Group) {
		g.Group("/shop", func(echo.HandlerFunc) echo.HandlerFunc { return noContent }).GET("/orders", noContent)
	}))
	for _, path := range []string{"/shop", "/shop/orders", "/shop/nowhere"} {
		for key, want := range map[string]int{"ops": 204, "reader": 403} {
			if got := ask(t, "GET", base+path, "", "Authorization", "Bearer secret-of-"+key); got.status != want {
				t.Errorf("%s for %s: %d, want %d", path, key, got.status, want)
			}
		}
	}
}
