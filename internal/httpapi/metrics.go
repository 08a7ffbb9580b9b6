package httpapi

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
)

// RequestMeter counts requests. The number of different values that it gets is bounded, whatever clients send.
type RequestMeter interface {
	Began()
	// Ended gets the template of the route, such as /v1/tasks/{id}, and not the path.
	Ended(method, route string, status int, took time.Duration)
}

const (
	// unmatched is the route of requests for which there is none.
	unmatched = "unmatched"
	// otherMethod is the method of requests with one that HTTP does not know.
	otherMethod = "other"
)

// measure counts a request and its duration.
func (s *server) measure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		s.cfg.Meter.Began()
		defer func() {
			route := cmp.Or(s.table.Template(c), unmatched)
			s.cfg.Meter.Ended(knownMethod(c.Request().Method), route, c.Response().Status, time.Since(start))
		}()
		return next(c) // an error has been answered
	}
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

func knownMethod(method string) string {
	if slices.Contains(methods, method) {
		return method
	}
	return otherMethod
}
