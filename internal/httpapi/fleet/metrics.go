package fleet

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

// metricsRoutes returns the route of the metrics, if there is one.
func (a *API) metricsRoutes() []rest.Route {
	if a.Metrics == nil {
		return nil
	}
	return []rest.Route{rest.Handle(rest.Route{
		Scope: auth.Admin,
		Operation: huma.Operation{
			OperationID: "metrics", Method: http.MethodGet, Path: "/metrics", Tags: []string{"Health"},
			Summary: "Metrics for Prometheus",
			Responses: map[string]*huma.Response{"200": {
				Description: "The text format of Prometheus, or another that the request accepts.",
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
