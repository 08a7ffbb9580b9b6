package httpapi

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/task"
)

// Store is where tasks are kept and queues and workers are known.
type Store interface {
	TaskStore
	QueueStore
	WorkerStore
	Pinger
}

// Config is what the API is made of. All fields are needed unless they say otherwise.
type Config struct {
	Tasks    Store
	Registry *task.Registry
	// Monitor serves everything under /monitor, prefix included. Without one there is no /monitor.
	Monitor http.Handler
	Logger  *slog.Logger
	// MaxBodyBytes is the size of the largest request body that is read.
	MaxBodyBytes int64
	// Version is that of the program, for the documentation.
	Version string
	// LoopbackOnly refuses requests for any host but this machine. An API on a loopback address that asks for no
	// credentials needs it: a web page whose name is made to lead to 127.0.0.1 would be of the same origin.
	LoopbackOnly bool
}

// New returns the API.
func New(cfg Config) http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = handleError
	// What echo has to say, it says about answers that cannot be written any more.
	e.Logger.SetOutput(io.Discard)
	e.Pre(beginExchange, logAccess(cfg.Logger), recoverPanics(cfg.Logger), addSafetyHeaders)
	if cfg.LoopbackOnly {
		e.Pre(requireLoopbackHost)
	}
	e.Pre(refuseForeignOrigins(), answerHead)

	api := newAPI(e, cfg)
	(&tasks{cfg.Tasks, cfg.Registry}).register(api)
	(&taskTypes{cfg.Registry}).register(api)
	(&queues{cfg.Tasks}).register(api)
	(&workers{cfg.Tasks}).register(api)
	(&health{cfg.Tasks}).register(api)
	serveIndex(e)
	serveDocs(e, api.OpenAPI())
	if cfg.Monitor != nil {
		e.Any("/monitor", echo.WrapHandler(cfg.Monitor))
		e.Any("/monitor/*", echo.WrapHandler(cfg.Monitor))
	}
	return e
}

// Server returns a server for the API with limits on how long a client may take. There is none on how long an
// answer may: one that waits for a task has its own.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}
