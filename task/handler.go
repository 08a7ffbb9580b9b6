package task

import "context"

// Func runs one attempt of a task. Payload and result are JSON; a nil result is none. The context ends at the attempt's
// timeout, at the task's deadline and when the task is canceled.
type Func func(ctx context.Context, payload []byte) (result []byte, err error)

// Handler is a task type with the function that runs its tasks. Definition.Handle returns one for a type that is defined in
// Go. For a type of NewType, fill in the fields.
type Handler struct {
	Type *Type
	Run  Func
}

// Handlers makes a Handler a Set with one element.
func (h *Handler) Handlers() []*Handler { return []*Handler{h} }

// FailureHook is called after each failed attempt of a task that was not canceled. ctx is the context of the attempt and may
// have ended. The hook is called inline and must not block.
type FailureHook func(ctx context.Context, run RunInfo, err error)

// Set is one or more handlers for a worker.
type Set interface{ Handlers() []*Handler }

// Middleware wraps the function that runs an attempt. The function that it returns may be called by several goroutines at
// once. Its context is that of the attempt, so that Info works with it; the error that it returns is that of the attempt. A
// panic of the handler passes through it.
type Middleware func(next Func) Func

// Wrap returns run wrapped by the middleware. The first middleware is the outermost one.
func Wrap(run Func, use ...Middleware) Func {
	for i := len(use) - 1; i >= 0; i-- {
		run = use[i](run)
	}
	return run
}
