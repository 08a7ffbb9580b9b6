package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/auth"
)

// RequestMeter is told of requests, so that they can be counted. What it is told of each is one of a few values,
// whatever clients send.
type RequestMeter interface {
	Began()
	// Ended is told the template of the route, such as /v1/tasks/{id}, and not the path.
	Ended(method, route string, status int, took time.Duration)
}

const (
	// unmatched is the route of requests for which there is none.
	unmatched = "unmatched"
	// otherMethod is the method of requests with one that HTTP does not know.
	otherMethod = "other"
)

// metricsRoutes returns the route of the program's metrics, none without Config.Metrics.
func (a *api) metricsRoutes() []Route {
	if a.Metrics == nil {
		return nil
	}
	return []Route{Handle(Route{
		Scope: auth.Admin,
		Operation: huma.Operation{
			OperationID: "metrics", Method: http.MethodGet, Path: "/metrics", Tags: []string{"Health"},
			Summary: "What the program measures, for Prometheus",
			Responses: map[string]*huma.Response{"200": {
				Description: "The text format of Prometheus, or another that was asked for.",
				Content:     map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}},
			}},
		},
	}, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(c huma.Context) {
			echo := humaecho.Unwrap(c)
			a.Metrics.ServeHTTP(echo.Response(), echo.Request())
		}}, nil
	})}
}

// measure counts a request and its duration.
func (a *api) measure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		a.Meter.Began()
		defer func() {
			route := cmp.Or(a.table.template(c), unmatched)
			a.Meter.Ended(knownMethod(c.Request().Method), route, c.Response().Status, time.Since(start))
		}()
		return next(c) // which has answered, whatever it returns
	}
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

func knownMethod(method string) string {
	if slices.Contains(methods, method) {
		return method
	}
	return otherMethod
}
