// Package task defines task types and their handlers.
//
//	type WelcomeIn struct {
//		UserID int64 `json:"user_id" minimum:"1"`
//	}
//
//	var Welcome = task.Define[WelcomeIn, task.None]("mail.welcome", task.MaxRetries(5))
//
//	handler := Welcome.Handle(func(ctx context.Context, in WelcomeIn) (task.None, error) { … })
//
// [Define] returns a type with a name, the Go types of payload and result, and defaults. The struct tags define the
// validation. [Definition.Handle] binds a function to the type; programs and workers run the resulting [Handler]. [NewType]
// returns a type that is defined by JSON Schemas, for example in another language.
//
// In a handler, [Info] returns the task's ID and attempt, and [Progress] reports progress. The error that the handler returns
// decides what happens next: any error is retried, except that [Permanent] is not; [RetryAfter] sets the delay; [Snooze]
// postpones the task without spending an attempt. [Middleware] wraps handlers.
//
// A task goes through these steps:
//
//	Request ──validated by its Type──▶ Task ──broker──▶ queue ──worker──▶ Handler ──▶ result or Failure
//
// A Task is always in exactly one State; docs/states.md shows the states and their transitions.
//
// The package does not import Redis, asynq or a web framework, and does not change process-wide state.
package task
