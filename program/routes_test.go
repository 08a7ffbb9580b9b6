package program_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/task"
)

const (
	readKey  = "read-key-0123456789abcdef0123456789"
	adminKey = "admin-key-0123456789abcdef0123456789"
)

func TestRoutesAreBehindTheAuthentication(t *testing.T) {
	app := newApp(t, redistest.Start(t).URL(), []string{"BACKBEAT_API_KEYS=read:" + readKey + ":tasks.read,admin:" + adminKey + ":admin"},
		program.Prefix("/backbeat"),
		program.Routes("tasks.read", func(g *echo.Group) {
			orders := g.Group("/orders", func(next echo.HandlerFunc) echo.HandlerFunc { return next })
			orders.GET("/:id", func(c echo.Context) error { return c.String(http.StatusOK, c.Param("id")) })
			g.POST("/orders", func(c echo.Context) error {
				_, err := io.Copy(io.Discard, c.Request().Body)
				return err
			})
			g.GET("/teapot", func(echo.Context) error { return echo.NewHTTPError(http.StatusTeapot, "it is a teapot") })
			g.GET("/invalid", func(echo.Context) error {
				return task.Invalid(task.ValidationError{Location: "query.id", Message: "is no id"})
			})
			g.GET("/secret", func(echo.Context) error { return errors.New("the password is 1234") })
			g.GET("/panic", func(echo.Context) error { panic("the password is 1234") })
		}),
		program.Routes("", func(g *echo.Group) {
			g.DELETE("/orders/:id", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
		}))
	server := httptest.NewServer(routers["mux"](app.Handler()))
	defer server.Close()
	run(t, app)
	large := strings.Repeat("x", 5000)
	for _, tt := range []struct {
		key, method, path, body string
		status                  int
		has                     string
	}{
		{"", "GET", "/orders/17", "", 401, "Authorization"},
		{"not-a-key", "GET", "/orders/17", "", 401, ""},
		{adminKey, "GET", "/orders/17", "", 403, "tasks.read"},
		{readKey, "GET", "/orders/17", "", 200, "17"},
		{readKey, "HEAD", "/orders/17", "", 200, ""},
		{readKey, "DELETE", "/orders/17", "", 403, "admin"},
		{adminKey, "DELETE", "/orders/17", "", 204, ""},
		{readKey, "POST", "/orders", "x", 200, ""},
		{readKey, "POST", "/orders", large, 413, "too large"},
		{readKey, "GET", "/teapot", "", 418, "it is a teapot"},
		{readKey, "GET", "/invalid", "", 422, "query.id"},
		{readKey, "GET", "/secret", "", 500, "X-Request-Id"},
		{readKey, "GET", "/panic", "", 500, "X-Request-Id"},
		{"", "GET", "/no-such-path", "", 401, "Authorization"},
		{readKey, "GET", "/no-such-path", "", 404, "/backbeat/docs"},
		{adminKey, "GET", "/orders/17/lines", "", 403, "tasks.read"}, // for the middleware of its group
		{adminKey, "PUT", "/teapot", "", 405, "allows"},
	} {
		var header []string
		if tt.key != "" {
			header = []string{"Authorization", "Bearer " + tt.key}
		}
		got := send(t, tt.method, server.URL+"/backbeat"+tt.path, tt.body, header...)
		if got.status != tt.status || !strings.Contains(got.body, tt.has) || strings.Contains(got.body, "1234") {
			t.Errorf("%s %s: %d, want %d with %q: %s", tt.method, tt.path, got.status, tt.status, tt.has, got.body)
		}
		if got.header.Get("X-Request-Id") == "" || got.status >= 400 && got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %v", tt.method, tt.path, got.header)
		}
	}
}

func TestRoutesThatAreInTheWay(t *testing.T) {
	nothing := func(echo.Context) error { return nil }
	for name, add := range map[string]func(g *echo.Group){
		"the API":       func(g *echo.Group) { g.GET("/healthz", nothing) },
		"below the API": func(g *echo.Group) { g.GET("/v1/orders", nothing) },
		"all paths":     func(g *echo.Group) { g.Use(func(next echo.HandlerFunc) echo.HandlerFunc { return next }) },
		"twice":         func(g *echo.Group) { g.GET("/orders", nothing); g.GET("/orders", nothing) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("New takes it")
				}
			}()
			newApp(t, "redis://127.0.0.1:1", nil, program.Routes("", add))
		})
	}
}
