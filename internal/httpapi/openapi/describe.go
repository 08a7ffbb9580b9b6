// Package openapi makes the OpenAPI document of the HTTP API: the description of the whole, and of the task types that are
// known when the document is requested.
package openapi

import (
	"cmp"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

const description = `Backbeat runs tasks: hand one in, get its id, ask how it is doing, fetch its result. Or put a schedule, and have tasks made
by the clock.

A task is **scheduled** until its time has come, **pending** until a worker is free, and **running** until it has
**succeeded**, **failed**, or was **canceled**. A failed attempt makes it **retrying** as long as it has retries left; one
that was not started by its ` + "`expires_at`" + ` is **expired**. A task of a stock asynq client that waits in a group is **aggregating**. A finished task and its result stay for its ` + "`retention`" + `.

Times are RFC 3339 with milliseconds, durations are strings such as ` + "`90s`" + ` or ` + "`1h30m`" + `. Whatever goes wrong is answered as
` + "`application/problem+json`" + ` (RFC 9457), with the fields at fault under ` + "`errors`" + `. Every answer bears an ` + "`X-Request-Id`" + `.

Bodies may be sent with ` + "`Content-Encoding: gzip`" + `. An object must not have the same key twice.

Where the server has API keys or takes JWTs, send ` + "`Authorization: Bearer`" + ` with one; each call tells the scope that it takes.
Where it limits how much a caller may ask for, answers bear ` + "`RateLimit-Policy`" + ` and ` + "`RateLimit`" + ` (r requests are left now, and all
of them in t seconds), and what is too much gets 429 with ` + "`Retry-After`" + `.`

// Describe returns the description of the API as a whole, which is served below a prefix.
func Describe(version, prefix string) huma.Config {
	cfg := huma.DefaultConfig("Backbeat", version)
	rest.DescribeDurations(cfg.Components.Schemas)
	rest.UseProblems(&cfg)
	cfg.Info.Description = description
	cfg.Info.License = &huma.License{Name: "MIT", Identifier: "MIT"}
	cfg.Info.Contact = &huma.Contact{Name: "Backbeat", URL: "https://github.com/backbeat-go/backbeat"}
	cfg.Servers = []*huma.Server{{URL: cmp.Or(prefix, "/"), Description: "The server that this document comes from."}}
	cfg.Tags = []*huma.Tag{
		{Name: "Tasks", Description: "Hand tasks in, follow them, steer them."},
		{Name: "Schedules", Description: "Have tasks made by the clock: by a cron expression, at intervals, or once."},
		{Name: "Task types", Description: "What tasks there are, and what they take and give."},
		{Name: "Queues", Description: "What waits where."},
		{Name: "Workers", Description: "Who runs the tasks."},
		{Name: "Audit", Description: "Who changed what."},
		{Name: "Health", Description: "For load balancers and orchestrators."},
	}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{rest.BearerScheme: {
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

// describeAnswers adds the headers that all answers with a status have.
func describeAnswers(doc *huma.OpenAPI) {
	header := func(typ, description string, required bool) *huma.Header {
		return &huma.Header{Description: description, Schema: &huma.Schema{Type: typ}, Required: required}
	}
	id := header(huma.TypeString, "The name of the request in the log: the one that it came with, or else a new one.", true)
	retry := header(huma.TypeInteger, "After how many seconds to try again.", true)
	challenge := header(huma.TypeString, "What credentials are asked for.", true)
	missing := header(huma.TypeString, "Which scope the credentials lack, where that is what they lack.", false)
	encodings := header(huma.TypeString, "Which Content-Encoding a body may have, where that is what is wrong.", false)
	limit := header(huma.TypeString, "How much the caller may ask for now, and in how many seconds for all; where there is a limit.", false)
	policy := header(huma.TypeString, "How much callers may ask for, in how many seconds; where there is a limit.", false)
	for _, item := range doc.Paths {
		for _, op := range rest.Operations(item) {
			for status, answer := range op.Responses {
				headers := map[string]*huma.Header{rest.RequestIDHeader: id}
				if len(op.Security) > 0 {
					headers["RateLimit"], headers["RateLimit-Policy"] = limit, policy
				}
				switch status {
				case "401":
					headers["WWW-Authenticate"] = challenge
				case "403":
					headers["WWW-Authenticate"] = missing
				case "415":
					headers["Accept-Encoding"] = encodings
				case "429", "503":
					headers["Retry-After"] = retry
				}
				maps.Copy(headers, answer.Headers)
				answer.Headers = headers
			}
		}
	}
}

// describeNulls marks the fields of requests that may be left out: null has the same meaning.
func describeNulls(doc *huma.OpenAPI) {
	var walk func(*huma.Schema)
	walk = func(s *huma.Schema) {
		if s.Ref != "" {
			s = doc.Components.Schemas.SchemaFromRef(s.Ref)
		}
		if s.Items != nil {
			walk(s.Items)
		}
		for name, field := range s.Properties {
			walk(field)
			if !slices.Contains(s.Required, name) && field.Type != "" && !field.Nullable { // without a type it may be anything
				rest.Nullable(s, name)
			}
		}
	}
	for _, item := range doc.Paths {
		for _, op := range rest.Operations(item) {
			if op.RequestBody == nil {
				continue
			}
			for _, media := range op.RequestBody.Content {
				walk(media.Schema)
			}
		}
	}
}
