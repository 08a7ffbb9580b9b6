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
// [Define] makes a type: a name, the Go types of payload and result, and defaults. The struct tags are the validation.
// [Definition.Handle] binds a function to it; programs and workers take the [Handler]. Types of other languages are made of JSON
// Schemas, with [NewType].
//
// In a handler, [Info] tells the id and the attempt, and [Progress] reports how far it is. The error that it returns decides what
// happens next: any error is tried again, [Permanent] is not, [RetryAfter] sets the delay, [Snooze] spends no attempt.
// [Middleware] wraps handlers.
//
// A task travels like this:
//
//	Request ──checked against its Type──▶ Task ──broker──▶ queue ──worker──▶ Handler ──▶ result or Failure
//
// A Task is always in exactly one State; docs/states.md draws them and what moves a task from one to the next.
//
// The package imports no queue, no Redis and no web framework, and changes nothing in the process.
package task
