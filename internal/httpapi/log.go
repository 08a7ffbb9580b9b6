package httpapi

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/httpapi/guard"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

// server observes requests and answers errors.
type server struct {
	table *rest.Table
	cfg   *Config
}

// logRequests logs each request: at debug, because there are many, and at warn where the server has failed.
func (s *server) logRequests(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		if err := next(c); err != nil {
			c.Error(err)
		}
		s.logRequest(c, start)
		return nil
	}
}

func (s *server) logRequest(c echo.Context, start time.Time) {
	r, status := c.Request(), c.Response().Status
	level := slog.LevelDebug
	if status >= 500 {
		level = slog.LevelWarn
	}
	s.cfg.Logger.Log(r.Context(), level, "request", "caller", guard.CallerOf(c), "method", r.Method, "path", r.URL.Path, "status", status,
		"took_ms", time.Since(start).Milliseconds(), "request_id", rest.RequestID(r.Context()))
}

// recoverPanics turns a panic into an error, with the stack for the log.
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
