package httpapi

import (
	"github.com/danielgtaylor/huma/v2"
)

const description = `Backbeat runs tasks: hand one in, get its id, ask how it is doing, fetch its result. Or put a schedule, and have tasks made
by the clock.

A task is **scheduled** until its time has come, **pending** until a worker is free, and **running** until it has
**succeeded**, **failed**, or was **canceled**. A failed attempt makes it **retrying** as long as it has retries left; one
that was not started by its ` + "`expires_at`" + ` is **expired**. A finished task and its result stay for its ` + "`retention`" + `.

Times are RFC 3339 with milliseconds, durations are strings such as ` + "`90s`" + ` or ` + "`1h30m`" + `. Whatever goes wrong is answered as
` + "`application/problem+json`" + ` (RFC 9457), with the fields at fault under ` + "`errors`" + `. Every answer bears an ` + "`X-Request-Id`" + `.

Where the server has API keys or takes JWTs, send ` + "`Authorization: Bearer`" + ` with one; each call tells the scope that it takes.
Where it limits how much a caller may ask for, answers bear ` + "`RateLimit-Policy`" + ` and ` + "`RateLimit`" + ` (r requests are left now, and all
of them in t seconds), and what is too much gets 429 with ` + "`Retry-After`" + `.`

// bearerScheme names how callers show who they are.
const bearerScheme = "bearer"

// describe returns what the OpenAPI document says of the API as a whole.
func describe(version string) huma.Config {
	cfg := huma.DefaultConfig("Backbeat", version)
	cfg.Info.Description = description
	cfg.Info.License = &huma.License{Name: "MIT", Identifier: "MIT"}
	cfg.Tags = []*huma.Tag{
		{Name: "Tasks", Description: "Hand tasks in, follow them, steer them."},
		{Name: "Schedules", Description: "Have tasks made by the clock: by a cron expression, at intervals, or once."},
		{Name: "Task types", Description: "What tasks there are, and what they take and give."},
		{Name: "Queues", Description: "What waits where."},
		{Name: "Workers", Description: "Who runs the tasks."},
		{Name: "Audit", Description: "Who changed what."},
		{Name: "Health", Description: "For load balancers and orchestrators."},
	}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{bearerScheme: {
		Type: "http", Scheme: "bearer",
		Description: "An API key, or a JWT whose scope claim names what it may do. Not needed where the server has no keys.",
	}}
	cfg.DocsPath = ""    // ours needs no CDN
	cfg.OpenAPIPath = "" // huma writes the document at the first request, and races when there are two
	cfg.SchemasPath = "" // they are in the document
	cfg.CreateHooks = nil
	cfg.RejectUnknownQueryParameters = true
	return cfg
}
