// Package docs has the Go code of the documentation that is in no program of this module.
package docs

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/tasks"
)

// chi is what a router of chi has for handlers.
type chi interface {
	Mount(pattern string, h http.Handler)
}

// Embed serves the API under a prefix of three routers.
func Embed(ctx context.Context, cfg *config.Config, mux *http.ServeMux, e *echo.Echo, r chi) error {
	app, err := program.New(cfg, program.Standalone, program.Prefix("/backbeat"), tasks.Builtin())
	if err != nil {
		return err
	}
	mux.Handle("/backbeat/", app.Handler())               // net/http
	e.Any("/backbeat/*", echo.WrapHandler(app.Handler())) // echo
	r.Mount("/backbeat", app.Handler())                   // chi

	err = app.Run(ctx)
	return err
}

// Orders adds routes to those of the API.
func Orders(cfg *config.Config, showOrder, deleteOrder echo.HandlerFunc) (*program.App, error) {
	return program.New(cfg, program.API,
		program.Routes("tasks.read", func(g *echo.Group) {
			g.GET("/orders/:id", showOrder)
		}),
		program.Routes("", func(g *echo.Group) { // "" is admin
			g.DELETE("/orders/:id", deleteOrder)
		}),
	)
}
