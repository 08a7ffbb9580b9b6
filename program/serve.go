package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// shutdownGrace is how long requests in progress may take to end once the program is told to stop. Those that wait
// for a task are answered after shortRequest.
const (
	shutdownGrace = 10 * time.Second
	shortRequest  = 500 * time.Millisecond
)

func (a *App) addServer(name, addr string, server *http.Server) {
	a.add(a.serverPart(name, addr, server))
}

// serverPart returns an HTTP server as a part. It listens before it reports to be started, so that a port in use is an
// error at the start.
func (a *App) serverPart(name, addr string, server *http.Server) part {
	requests, endRequests := context.WithCancel(context.Background())
	server.ErrorLog = slog.NewLogLogger(a.logger.Handler(), slog.LevelWarn)
	server.BaseContext = func(net.Listener) context.Context { return requests }
	return part{
		name: name,
		start: func(ctx context.Context) error {
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
			if err != nil {
				return err
			}
			a.attrs = append(a.attrs, name, "http://"+l.Addr().String())
			go func() {
				if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
					a.fail(fmt.Errorf("%s: %w", name, err))
				}
			}()
			return nil
		},
		stop: func() {
			// What is short ends by itself; what waits for a task is told to answer.
			defer time.AfterFunc(shortRequest, endRequests).Stop()
			defer endRequests()
			ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
			defer cancel()
			if err := server.Shutdown(ctx); err != nil {
				_ = server.Close() // whoever is still connected has had time enough
			}
		},
	}
}
