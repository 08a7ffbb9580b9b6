package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// logAccess logs each request at debug, and at a higher level those that failed for a reason of ours. It leaves out
// the query, in which secrets have been seen.
func logAccess(logger *slog.Logger) echo.MiddlewareFunc {
	return middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
		LogMethod:   true,
		LogURIPath:  true,
		LogStatus:   true,
		LogLatency:  true,
		HandleError: true, // or the status would not be known yet
		LogValuesFunc: func(c echo.Context, v middleware.RequestLoggerValues) error {
			x := exchangeOf(c.Request().Context())
			attrs := []slog.Attr{
				slog.String("request_id", x.id),
				slog.String("method", v.Method),
				slog.String("path", v.URIPath),
				slog.Int("status", v.Status),
				slog.Duration("duration", v.Latency),
			}
			if x.cause != nil {
				attrs = append(attrs, slog.Any("error", x.cause))
			}
			logger.LogAttrs(context.WithoutCancel(c.Request().Context()), accessLevel(v), "request", attrs...)
			return nil
		},
	})
}

func accessLevel(v middleware.RequestLoggerValues) slog.Level {
	switch {
	case v.Status < http.StatusInternalServerError, v.URIPath == healthPath, v.URIPath == readyPath:
		return slog.LevelDebug
	case v.Status == http.StatusInternalServerError:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// recoverPanics answers a request whose handler panicked like any other that failed for no known reason.
func recoverPanics(logger *slog.Logger) echo.MiddlewareFunc {
	return middleware.RecoverWithConfig(middleware.RecoverConfig{
		DisableStackAll: true,
		StackSize:       16 << 10,
		LogErrorFunc: func(c echo.Context, err error, stack []byte) error {
			logger.Error("panic in a request", "request_id", exchangeOf(c.Request().Context()).id,
				"error", err, "stack", string(stack))
			return err
		},
	})
}
