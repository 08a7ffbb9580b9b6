package httpapi

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

// handleError answers the errors that are found outside of huma: unknown paths, wrong methods, panics, and those of
// Config.Routes.
func (s *server) handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	if e, ok := errors.AsType[*echo.HTTPError](err); ok {
		err = rest.NewProblem(e.Code, s.detailOf(e, c))
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = rest.NewProblem(http.StatusRequestEntityTooLarge, "the body is too large")
	}
	ctx := c.Request().Context()
	if !errors.Is(err, context.Canceled) {
		ctx = context.WithoutCancel(ctx) // a panic is logged, whether its client waits or not
	}
	err = rest.ProblemOf(ctx, s.cfg.Logger, err)
	if more, ok := errors.AsType[huma.HeadersError](err); ok {
		maps.Copy(c.Response().Header(), more.GetHeaders())
	}
	p, ok := errors.AsType[*rest.Problem](err)
	if !ok {
		other, _ := errors.AsType[huma.StatusError](err) // which ProblemOf returns unchanged
		p = rest.NewProblem(other.GetStatus(), other.Error())
	}
	p.Write(c.Response())
}

// detailOf returns the message of a handler of Config.Routes, or else the meaning of an error of the router.
func (s *server) detailOf(e *echo.HTTPError, c echo.Context) string {
	if text, ok := e.Message.(string); ok && text != http.StatusText(e.Code) && s.table.Match(c).IsOwn() {
		return text
	}
	switch e.Code {
	case http.StatusNotFound:
		return "there is nothing at this path; " + s.cfg.Prefix + "/docs tells what there is"
	case http.StatusMethodNotAllowed:
		return "this path allows " + c.Response().Header().Get("Allow")
	default:
		return strings.ToLower(http.StatusText(e.Code))
	}
}
