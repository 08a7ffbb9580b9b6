package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"
)

const apiDescription = `Backbeat runs tasks in the background: hand one in, and workers run it, retry it when it fails, and keep its result.

**States.** A task is ` + "`scheduled`" + ` until its time, ` + "`pending`" + ` until a worker is free, ` + "`running`" + `, and after a failure
` + "`retrying`" + ` until its next try. It ends as ` + "`succeeded`, `failed`, `canceled` or `expired`" + `, and is then kept for its
retention.

**Failures.** An attempt that fails is retried up to ` + "`max_retries`" + ` times, with growing, random delays. ` + "`error.kind`" + ` says
why the newest one failed: ` + "`error`, `timeout`, `panic`, `crashed`" + ` (its worker died, again and again) or ` + "`permanent`" + `
(another try is no use).

**Problems.** Requests that fail are answered with problem documents (RFC 9457), which name each field at fault. After a 503
try again in as many seconds as ` + "`Retry-After`" + ` says. Every answer bears an ` + "`X-Request-Id`" + `: yours, if you sent one.

Times are RFC 3339 in UTC with milliseconds; durations are strings such as ` + "`90s`" + ` or ` + "`1h30m`" + `.`

// The groups of operations, as the documentation lists them.
const (
	tagTasks   = "Tasks"
	tagQueues  = "Queues"
	tagWorkers = "Workers"
	tagHealth  = "Health"
)

func newAPI(e *echo.Echo, cfg Config) huma.API {
	api := humaecho.New(e, huma.Config{
		OpenAPI: &huma.OpenAPI{
			Info: &huma.Info{
				Title:       "Backbeat",
				Description: apiDescription,
				Version:     cfg.Version,
				License:     &huma.License{Name: "MIT", Identifier: "MIT"},
			},
			Tags: []*huma.Tag{
				{Name: tagTasks, Description: "Hand tasks in, follow them, steer them."},
				{Name: tagQueues, Description: "Where tasks wait for a worker."},
				{Name: tagWorkers, Description: "Who runs them."},
				{Name: tagHealth, Description: "For load balancers and supervisors."},
			},
			Components: &huma.Components{Schemas: newSchemas()},
		},
		// The second one is for every +json.
		Formats:                      map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	})
	api.UseMiddleware(prepare(cfg.MaxBodyBytes))
	return api
}

// handle adds an operation. Its errors are those of package task; the faults among them are in the named part of the
// request, such as "body.".
func handle[In, Out any](api huma.API, op huma.Operation, part string, run func(context.Context, *In) (*Out, error)) {
	// The body has been read, and bounded, before huma asks for it.
	op.MaxBodyBytes, op.BodyReadTimeout = -1, -1
	op.Errors = append(op.Errors, http.StatusServiceUnavailable)
	huma.Register(api, op, func(ctx context.Context, in *In) (*Out, error) {
		out, err := run(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, part, err)
		}
		return out, nil
	})
}
