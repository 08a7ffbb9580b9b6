package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/backbeat-go/backbeat/internal/startstop"
)

// newServer returns an HTTP server as a service. It listens when it has started, so that a port in use is an error at the start.
func (a *App) newServer(name, addr string, server *http.Server) startstop.Service {
	requests, endRequests := context.WithCancel(context.Background())
	server.ErrorLog = slog.NewLogLogger(a.logger.Handler(), slog.LevelWarn)
	server.BaseContext = func(net.Listener) context.Context { return requests }
	var l net.Listener
	serve := startstop.Background(func(context.Context) {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.parts.Fail(fmt.Errorf("%s: %w", name, err))
		}
	})
	return startstop.New(func(ctx context.Context) (err error) {
		if l, err = new(net.ListenConfig).Listen(ctx, "tcp", addr); err != nil {
			return err
		}
		a.attrs = append(a.attrs, name, "http://"+l.Addr().String())
		return serve.Start(ctx)
	}, func(ctx context.Context) {
		shutdown(ctx, server, endRequests)
		serve.Stop(ctx)
	})
}

// shutdown lets requests in progress end. After shortRequest it ends the contexts of the others, which then answer.
func shutdown(ctx context.Context, server *http.Server, endRequests func()) {
	defer time.AfterFunc(shortRequest, endRequests).Stop()
	defer endRequests()
	ctx, cancel := context.WithTimeout(ctx, requestGrace)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close() // which closes the connections of the requests that are left
	}
}
