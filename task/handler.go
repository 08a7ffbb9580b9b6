package task

import "context"

// Func runs one attempt of a task: payload in, result out, both JSON. A nil result is none. The context ends at the
// attempt's timeout, at the task's deadline and when the task is canceled.
type Func func(ctx context.Context, payload []byte) (result []byte, err error)

// Handler is a task type with the function that runs its tasks. Definition.Handle makes one of a Go function; for a Type
// made of JSON Schemas, fill it in.
type Handler struct {
	Type *Type
	Run  Func
}

// Handlers makes a Handler a Set of one.
func (h *Handler) Handlers() []*Handler { return []*Handler{h} }

// FailureHook is called with each attempt that failed and has not been canceled. The context is that of the attempt, which
// may have ended. It is called inline and must not block.
type FailureHook func(ctx context.Context, run RunInfo, err error)

// Set is what a worker can run: a Handler, or several.
type Set interface{ Handlers() []*Handler }

// Middleware wraps the function that runs an attempt, to do something before and after it, or in its place. It may be
// called by several goroutines at once. The context is that of the attempt, so Info works in it; the error that it returns is
// that of the attempt. A panic of the handler passes through it.
type Middleware func(next Func) Func

// Wrap returns run inside the middleware, the first of which is outermost.
func Wrap(run Func, use ...Middleware) Func {
	for i := len(use) - 1; i >= 0; i-- {
		run = use[i](run)
	}
	return run
}
