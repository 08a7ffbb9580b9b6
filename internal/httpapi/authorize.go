package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/auth"
)

// Authenticator says who a caller is.
type Authenticator interface {
	// Authenticate reads the value of an Authorization header. Its errors are those of package auth.
	Authenticate(ctx context.Context, authorization string) (auth.Principal, error)
}

// authorize lets a request pass if its caller may make it. Without an Authenticator everybody may.
func (a *api) authorize(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if scope := a.table.scope(c); a.Auth != nil && scope != Public {
			if err := a.admit(c, scope); err != nil {
				return err
			}
		}
		return next(c)
	}
}

// admit returns the problem to answer a request with whose caller may not make it. An empty scope is for any caller.
func (a *api) admit(c echo.Context, scope string) error {
	r := c.Request()
	principal, err := a.authenticate(c)
	if err != nil {
		return err
	}
	c.Set(callerKey, principal)
	c.SetRequest(r.WithContext(context.WithValue(r.Context(), callerContextKey{}, callerOf(c))))
	if scope != "" && !principal.May(scope) {
		c.Response().Header().Set("WWW-Authenticate", `Bearer realm="backbeat", error="insufficient_scope", scope="`+scope+`"`)
		return newProblem(http.StatusForbidden, "the credentials do not have the scope "+scope)
	}
	return nil
}

// authenticate returns who sends a request, or the problem to answer it with.
func (a *api) authenticate(c echo.Context) (auth.Principal, error) {
	r := c.Request()
	authorization, address := r.Header.Get("Authorization"), addressOf(r)
	if authorization != "" {
		if wait := a.refusals.check(address, authorization); wait > 0 {
			return auth.Principal{}, tooManyRefusals(c, wait)
		}
	}
	principal, err := a.Auth.Authenticate(r.Context(), authorization)
	if err == nil {
		a.refusals.good(authorization)
		return principal, nil
	}
	if _, isBad := errors.AsType[*auth.BadCredentialsError](err); isBad {
		a.refusals.refused(address, authorization)
	}
	return principal, a.refuse(c, err)
}

// callerKey is where a request's auth.Principal is.
const callerKey = "caller"

type callerContextKey struct{}

// callerIn is callerOf for handlers, which see the request's context only.
func callerIn(ctx context.Context) string {
	caller, _ := ctx.Value(callerContextKey{}).(string)
	return caller
}

// refuse answers a caller that could not show who it is. Browsers ask people for a key where the challenge is Basic.
func (a *api) refuse(c echo.Context, err error) error {
	h := c.Response().Header()
	challenge := `Bearer realm="backbeat"`
	if strings.HasPrefix(c.Request().URL.Path, "/monitor") {
		challenge = `Basic realm="backbeat", charset="UTF-8"`
	}
	bad, isBad := errors.AsType[*auth.BadCredentialsError](err)
	switch {
	case errors.Is(err, auth.ErrUnavailable):
		h.Set("Retry-After", "1")
		return newProblem(http.StatusServiceUnavailable, err.Error())
	case isBad && strings.HasPrefix(challenge, "Bearer"):
		challenge += `, error="invalid_token", error_description="` + bad.Reason + `"`
	}
	h.Set("WWW-Authenticate", challenge)
	return newProblem(http.StatusUnauthorized, err.Error())
}

// callerOf names who made a request, for the log; "" if nobody had to show who it is.
func callerOf(c echo.Context) string {
	principal, _ := c.Get(callerKey).(auth.Principal)
	if principal.Name == "" {
		return ""
	}
	return string(principal.Kind) + ":" + principal.Name
}
