// Command shop is a web shop that has all of Backbeat in its own process, under /backbeat of its own router.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"

	"example.com/shop/jobs"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/tasks"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := config.Load(program.Standalone, nil, os.Environ())
	if err != nil {
		return err
	}
	app, err := program.New(cfg, program.Standalone, program.Prefix("/backbeat"), jobs.Sum.Handle(sum), tasks.Builtin())
	if err != nil {
		return err
	}
	e := echo.New()
	e.HideBanner = true
	e.Any("/backbeat/*", echo.WrapHandler(app.Handler()))
	e.GET("/sum", func(c echo.Context) error {
		out, err := client.Run(c.Request().Context(), app.Client(), jobs.Sum, jobs.SumIn{Numbers: []int{20, 22}})
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, out)
	})
	go func() {
		<-app.Ready()
		if err := e.Start(os.Getenv("SHOP_ADDR")); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
			stop()
		}
	}()
	err = app.Run(ctx)
	shutdown, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, e.Shutdown(shutdown))
}

func sum(_ context.Context, in jobs.SumIn) (out jobs.SumOut, err error) {
	for _, n := range in.Numbers {
		out.Sum += n
	}
	return out, nil
}
