package client

import (
	"context"

	"github.com/backbeat-go/backbeat/task"
)

type enqueuerKey struct{}

// Middleware lets handlers find q with From. Workers have it around all of them.
func Middleware(q Enqueuer) task.Middleware {
	return func(next task.Func) task.Func {
		return func(ctx context.Context, payload []byte) ([]byte, error) {
			return next(context.WithValue(ctx, enqueuerKey{}, q), payload)
		}
	}
}

// From returns the Enqueuer of the worker that called a handler with ctx, so that a handler can enqueue tasks. It is nil
// outside of handlers.
func From(ctx context.Context) Enqueuer {
	q, _ := ctx.Value(enqueuerKey{}).(Enqueuer)
	return q
}
