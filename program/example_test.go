package program_test

import (
	"context"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/tasks"
)

// A server of one's own serves the API below /backbeat: http://localhost:3000/backbeat/docs.
func ExampleApp_Handler() {
	cfg, err := config.Load(program.Standalone, nil, os.Environ())
	if err != nil {
		log.Fatal(err)
	}
	app, err := program.New(cfg, program.Standalone, program.Prefix("/backbeat"), tasks.Builtin())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/backbeat/", app.Handler()) // with http.StripPrefix or without
	server := &http.Server{Addr: "127.0.0.1:3000", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-app.Ready()
		log.Print(server.ListenAndServe())
	}()
	if err := app.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// Whoever may read tasks may see orders; only administrators may delete them.
func ExampleRoutes() {
	program.Main(program.API, tasks.Builtin(),
		program.Routes("tasks.read", func(g *echo.Group) {
			g.GET("/orders/:id", func(c echo.Context) error { return c.JSON(http.StatusOK, c.Param("id")) })
		}),
		program.Routes("admin", func(g *echo.Group) {
			g.DELETE("/orders/:id", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
		}))
}
