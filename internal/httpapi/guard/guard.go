// Package guard decides which requests reach the handlers of the HTTP API: by credentials and scopes, rate limits, origins and
// hosts, and by the form and size of what clients send.
package guard

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/internal/ratelimit"
)

// Config is what requests are checked against.
type Config struct {
	// Auth identifies callers; nil: everybody may do everything.
	Auth Authenticator
	// AllowedHosts are the host names, besides localhost, that an API without Auth answers to. Addresses are always
	// allowed.
	AllowedHosts []string
	// RateLimit is the limit of each caller, counted in Buckets: each principal, or each address where there is no Auth.
	RateLimit ratelimit.Rate
	Buckets   Buckets
	// RefusalRate is how often an address may send bad credentials; more are answered with 429. Default: 100 at once, and
	// then one a second.
	RefusalRate ratelimit.Rate
	// MaxBodyBytes bounds request bodies; larger ones are answered with 413.
	MaxBodyBytes int64
	Logger       *slog.Logger
}

// defaultRefusalRate is what Config.RefusalRate is unless it is set.
var defaultRefusalRate = ratelimit.Rate{Limit: 1, Period: time.Second, Burst: 100}

// Guard checks requests. Its methods are middlewares.
type Guard struct {
	Config
	routes   *rest.Table
	refusals *refusals
}

// New returns a guard of the routes in a table.
func New(cfg Config, routes *rest.Table) *Guard {
	return &Guard{Config: cfg, routes: routes, refusals: newRefusals(cmp.Or(cfg.RefusalRate, defaultRefusalRate))}
}
