package tasks

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/task"
)

// waited is the result of a wait before the handler.
type waited struct {
	task *task.Task
	err  error
}

type waitedKey struct{}

// WaitEarly waits for the end of a task before huma is called, whose frames are large: a request that waits costs as much
// memory as its stack, and there may be thousands of them. The functions between net/http's and this one must have small
// frames, so that 8 KB of stack are enough. The handler waits itself if the query has more than a valid wait.
func (a *API) WaitEarly(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if wait := earlyWait(c); wait > 0 {
			t, err := a.getOrWait(c.Request().Context(), c.Param("id"), wait)
			setWaited(c, t, err)
		}
		return next(c)
	}
}

// earlyWait returns how long a request that gets a task waits; 0 if it does not wait, or is not valid.
func earlyWait(c echo.Context) time.Duration {
	if c.Request().Method != http.MethodGet || c.Path() != "/v1/tasks/:id" || len(c.QueryParams()) != 1 {
		return 0
	}
	wait, err := parseWait(c.QueryParam("wait"))
	if err != nil || len(c.QueryParams()["wait"]) != 1 {
		return 0
	}
	return wait
}

func setWaited(c echo.Context, t *task.Task, err error) {
	r := c.Request()
	c.SetRequest(r.WithContext(context.WithValue(r.Context(), waitedKey{}, &waited{t, err})))
}

// waitedFor returns the task that WaitEarly has waited for, or else gets it or waits for it.
func (a *API) waitedFor(ctx context.Context, id string, wait time.Duration) (*task.Task, error) {
	if w, ok := ctx.Value(waitedKey{}).(*waited); ok {
		return w.task, w.err
	}
	return a.getOrWait(ctx, id, wait)
}
