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

const description = `Backbeat runs tasks: enqueue a task, get its id, read its state and its result. Or put a schedule, which enqueues tasks at the
times of a clock.

A task is **scheduled** until its start time, **pending** until a worker is free, and **running** until it has
**succeeded**, **failed**, or was **canceled**. A failed attempt makes it **retrying** as long as it has retries left; one
that was not started by its ` + "`expires_at`" + ` is **expired**. A task of a stock asynq client that waits in a group is **aggregating**. A finished task and its result stay for its ` + "`retention`" + `.

Times are RFC 3339 with milliseconds, durations are strings such as ` + "`90s`" + ` or ` + "`1h30m`" + `. Errors are answered as
` + "`application/problem+json`" + ` (RFC 9457), with validation errors of fields under ` + "`errors`" + `. Every answer has an ` + "`X-Request-Id`" + `.

Bodies may be sent with ` + "`Content-Encoding: gzip`" + `. An object must not have the same key twice.

Where the server has API keys or takes JWTs, send ` + "`Authorization: Bearer`" + ` with one; each operation names the scope that it needs.
Where the server limits the rate of requests, answers have ` + "`RateLimit-Policy`" + ` and ` + "`RateLimit`" + ` (r requests are left now, and all
of them in t seconds), and requests over the limit get 429 with ` + "`Retry-After`" + `.`

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
		{Name: "Tasks", Description: "Enqueue tasks, follow them, cancel, retry or delete them."},
		{Name: "Schedules", Description: "Enqueue tasks at times: by a cron expression, at intervals, or once."},
		{Name: "Task types", Description: "The types of tasks, with the schemas of their payloads and results."},
		{Name: "Queues", Description: "Queues and the number of tasks in them."},
		{Name: "Workers", Description: "The processes that run tasks."},
		{Name: "Audit", Description: "Changes and their callers."},
		{Name: "Health", Description: "For load balancers and orchestrators."},
	}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{rest.BearerScheme: {
		Type: "http", Scheme: "bearer",
		Description: "An API key, or a JWT with its scopes in the claim scope. Not needed where the server has no keys.",
	}}
	cfg.DocsPath = ""    // package console serves a page that needs no CDN
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
	id := header(huma.TypeString, "The id of the request in the log: that of the request, or else a new one.", true)
	retry := header(huma.TypeInteger, "The number of seconds after which to try again.", true)
	challenge := header(huma.TypeString, "The credentials that are required.", true)
	missing := header(huma.TypeString, "The scope that the credentials lack, if a scope is missing.", false)
	encodings := header(huma.TypeString, "The Content-Encoding values that a body may have, if that of the request is not one of them.", false)
	limit := header(huma.TypeString, "How many requests are left now, and in how many seconds all of them; where there is a limit.", false)
	policy := header(huma.TypeString, "How many requests a caller may send, in how many seconds; where there is a limit.", false)
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
