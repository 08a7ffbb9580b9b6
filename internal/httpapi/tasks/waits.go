package tasks

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

// defaultMaxWaiters is what Config.MaxWaiters is unless it is set.
const defaultMaxWaiters = 10_000

// waits counts the requests that wait for a task or follow one. Each holds a connection for long, and its task is polled.
type waits chan struct{}

// begin reports whether there is room for one more request, which must call end.
func (w waits) begin() bool {
	select {
	case w <- struct{}{}:
		return true
	default:
		return false
	}
}

func (w waits) end() { <-w }

// errTooManyWaits is the answer where there is no room.
func errTooManyWaits() error {
	p := rest.NewProblem(http.StatusTooManyRequests, "too many requests wait for tasks or follow them; ask without waiting, or try again")
	return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {"1"}})
}
