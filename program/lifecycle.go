package program

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/telemetry"
)

// App is a program put together: parts that start in order and stop in reverse.
type App struct {
	name    string
	options options
	logger  *slog.Logger
	types   *catalog.Catalog
	metrics *telemetry.Metrics
	client  *backbeat.Client
	// typesLoaded is closed when types has for the first time those of workers.
	typesLoaded <-chan struct{}
	parts       []part
	ready       chan struct{} // closed when all parts have started
	// failed receives what keeps a started part from going on.
	failed chan error
	mount  *mount
	// attrs say in the ready line where the program can be reached.
	attrs []any
}

// part is something that is started and stopped. Either may be nil. stop is called once, and only after start
// succeeded.
type part struct {
	name  string
	start func(ctx context.Context) error
	stop  func()
}

func newApp(name string, o options) *App {
	return &App{name: name, options: o, logger: o.logger, ready: make(chan struct{}), failed: make(chan error, 1), mount: newMount()}
}

func (a *App) add(p part) { a.parts = append(a.parts, p) }

// fail ends the program because a part cannot go on.
func (a *App) fail(err error) {
	select {
	case a.failed <- err:
	default: // it ends already
	}
}

// Ready is closed when the program serves.
func (a *App) Ready() <-chan struct{} { return a.ready }

// Client returns a client on the program's Redis, which is closed when Run ends. A standalone that starts a Redis of its own
// has it once Ready is closed, and nil before.
func (a *App) Client() *backbeat.Client { return a.client }

// Run starts the parts, says that it is ready, and stops them when ctx ends, which is no error, or when a part
// fails. It may be called once.
func (a *App) Run(ctx context.Context) error {
	var started []part
	defer func() {
		for _, p := range slices.Backward(started) {
			a.logger.Debug("stopping", "part", p.name)
			if p.stop != nil {
				p.stop()
			}
		}
	}()
	for i := 0; i < len(a.parts); i++ { // a part may add others behind itself
		p := a.parts[i]
		a.logger.Debug("starting", "part", p.name)
		if p.start != nil {
			if err := p.start(ctx); err != nil {
				if ctx.Err() != nil {
					return nil // it was told to stop before it had started
				}
				return fmt.Errorf("start %s: %w", p.name, err)
			}
		}
		started = append(started, p)
	}
	close(a.ready)
	telemetry.Ready(a.logger, append([]any{"program", a.name, "version", Version()}, a.attrs...)...)
	select {
	case <-ctx.Done():
		a.logger.Info("stopping", "program", a.name)
		return nil
	case err := <-a.failed:
		return err
	}
}
