package client

import (
	"context"

	"github.com/backbeat-go/backbeat/task"
)

type enqueuerKey struct{}

// Middleware makes q available to handlers through From. Workers apply it to all their handlers.
func Middleware(q Enqueuer) task.Middleware {
	return func(next task.Func) task.Func {
		return func(ctx context.Context, payload []byte) ([]byte, error) {
			return next(context.WithValue(ctx, enqueuerKey{}, q), payload)
		}
	}
}

// From returns the Enqueuer of the worker that called the handler with ctx, so that the handler can enqueue tasks. It
// returns nil outside of a handler.
func From(ctx context.Context) Enqueuer {
	q, _ := ctx.Value(enqueuerKey{}).(Enqueuer)
	return q
}
