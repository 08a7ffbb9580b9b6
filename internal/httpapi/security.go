package httpapi

import (
	"net"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// addSafetyHeaders keeps browsers from guessing what an answer is, from showing it inside another page, and from
// keeping it.
func addSafetyHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderXContentTypeOptions, "nosniff")
		h.Set(echo.HeaderXFrameOptions, "DENY")
		h.Set(echo.HeaderReferrerPolicy, "no-referrer")
		h.Set(echo.HeaderCacheControl, "no-store")
		return next(c)
	}
}

// refuseForeignOrigins keeps web pages of other origins from changing anything.
func refuseForeignOrigins() echo.MiddlewareFunc {
	protection := http.NewCrossOriginProtection()
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if protection.Check(c.Request()) != nil {
				return newProblem(http.StatusForbidden, "a web page of another origin may not change anything here")
			}
			return next(c)
		}
	}
}

// requireLoopbackHost refuses requests for names that only lead here because somebody made their DNS say so.
func requireLoopbackHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !loopback(c.Request().Host) {
			return newProblem(http.StatusForbidden,
				"without credentials only this machine may ask, by the name localhost or a loopback address")
		}
		return next(c)
	}
}

// loopback reports whether the Host of a request is this machine whatever DNS says.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
