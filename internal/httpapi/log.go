package httpapi

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"
)

// logRequests writes a line for each request: at debug, because there are many, and at warn for what we got wrong.
func (a *api) logRequests(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		if err := next(c); err != nil {
			c.Error(err)
		}
		a.logRequest(c, start)
		return nil
	}
}

func (a *api) logRequest(c echo.Context, start time.Time) {
	r, status := c.Request(), c.Response().Status
	level := slog.LevelDebug
	if status >= 500 {
		level = slog.LevelWarn
	}
	a.Logger.Log(r.Context(), level, "request", "caller", callerOf(c), "method", r.Method, "path", r.URL.Path, "status", status,
		"took_ms", time.Since(start).Milliseconds(), "request_id", requestID(r.Context()))
}

// recoverPanics makes an error of a panic. The stack is for the log.
func recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			}
		}()
		return next(c)
	}
}
