package guard

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

// Authenticator identifies callers.
type Authenticator interface {
	// Authenticate reads the value of an Authorization header. Its errors are those of package auth.
	Authenticate(ctx context.Context, authorization string) (auth.Principal, error)
}

// Authorize lets a request pass if its caller has the scope of its route. Without an Authenticator all requests pass.
func (g *Guard) Authorize(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if scope := g.routes.Scope(c); g.Auth != nil && scope != rest.Public {
			if err := g.admit(c, scope); err != nil {
				return err
			}
		}
		return next(c)
	}
}

// admit returns the problem for a caller without valid credentials, or without the scope; "" is for any scopes.
func (g *Guard) admit(c echo.Context, scope string) error {
	r := c.Request()
	principal, err := g.authenticate(c)
	if err != nil {
		return err
	}
	c.Set(callerKey, principal)
	c.SetRequest(r.WithContext(context.WithValue(r.Context(), callerContextKey{}, CallerOf(c))))
	if scope != "" && !principal.May(scope) {
		c.Response().Header().Set("WWW-Authenticate", `Bearer realm="backbeat", error="insufficient_scope", scope="`+scope+`"`)
		return rest.NewProblem(http.StatusForbidden, "the credentials do not have the scope "+scope)
	}
	return nil
}

// authenticate returns the caller of a request, or the problem to answer with.
func (g *Guard) authenticate(c echo.Context) (auth.Principal, error) {
	r := c.Request()
	authorization, address := r.Header.Get("Authorization"), addressOf(r)
	if authorization != "" {
		if wait := g.refusals.check(address, authorization); wait > 0 {
			return auth.Principal{}, tooManyRefusals(c, wait)
		}
	}
	principal, err := g.Auth.Authenticate(r.Context(), authorization)
	if err == nil {
		g.refusals.good(authorization)
		return principal, nil
	}
	if _, isBad := errors.AsType[*auth.BadCredentialsError](err); isBad {
		g.refusals.refused(address, authorization)
	}
	return principal, g.refuse(c, err)
}

// callerKey is the key of a request's auth.Principal.
const callerKey = "caller"

type callerContextKey struct{}

// CallerIn is CallerOf for handlers, which see the request's context only.
func CallerIn(ctx context.Context) string {
	caller, _ := ctx.Value(callerContextKey{}).(string)
	return caller
}

// refuse answers a caller without valid credentials. Browsers ask people for a key where the challenge is Basic.
func (g *Guard) refuse(c echo.Context, err error) error {
	h := c.Response().Header()
	challenge := `Bearer realm="backbeat"`
	if strings.HasPrefix(c.Request().URL.Path, "/monitor") {
		challenge = `Basic realm="backbeat", charset="UTF-8"`
	}
	bad, isBad := errors.AsType[*auth.BadCredentialsError](err)
	switch {
	case errors.Is(err, auth.ErrUnavailable):
		h.Set("Retry-After", "1")
		return rest.NewProblem(http.StatusServiceUnavailable, err.Error())
	case isBad && strings.HasPrefix(challenge, "Bearer"):
		challenge += `, error="invalid_token", error_description="` + bad.Reason + `"`
	}
	h.Set("WWW-Authenticate", challenge)
	return rest.NewProblem(http.StatusUnauthorized, err.Error())
}

// CallerOf returns the name of a request's caller, for logs; "" where no credentials are required.
func CallerOf(c echo.Context) string {
	principal, _ := c.Get(callerKey).(auth.Principal)
	if principal.Name == "" {
		return ""
	}
	return string(principal.Kind) + ":" + principal.Name
}
