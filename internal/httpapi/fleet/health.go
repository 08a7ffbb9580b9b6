package fleet

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

const readyTimeout = 2 * time.Second

type statusDocument struct {
	Status string `json:"status" example:"ok"`
}

type statusAnswer struct {
	Body statusDocument
}

func (a *API) healthRoutes() []rest.Route {
	return []rest.Route{
		rest.Handle(rest.Route{Scope: rest.Public, Operation: huma.Operation{
			OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Tags: []string{"Health"},
			Summary: "Report whether the API is alive", Description: "It does not ask Redis.",
		}}, func(context.Context, *struct{}) (*statusAnswer, error) {
			return &statusAnswer{statusDocument{"ok"}}, nil
		}),
		rest.Handle(rest.Route{Scope: rest.Public, StoreTime: readyTimeout, Operation: huma.Operation{
			OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Tags: []string{"Health"},
			Summary: "Report whether Redis answers", Description: "503 while it does not.",
		}}, func(ctx context.Context, _ *struct{}) (*statusAnswer, error) {
			if err := a.Tasks.Ping(ctx); err != nil {
				return nil, err
			}
			return &statusAnswer{statusDocument{"ok"}}, nil
		}),
	}
}
