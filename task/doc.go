// Package task says what a task is, for everybody: the API that accepts one, the broker that carries it,
// the worker that runs it and the schedule that repeats it.
//
// A task type is a Definition: a name, the Go types of its payload and its result, and defaults. The
// Registry holds the types a program knows. What a caller asks for is a Request; Registry.Prepare checks
// it against its type and completes it with the defaults, and what comes out is a Task, ready for a
// broker:
//
//	Request ──Registry.Prepare──▶ Task ──broker──▶ queue ──worker──▶ Handler ──▶ result or Failure
//
// A Task is always in exactly one State; docs/states.md draws them and what moves a task from one to the
// next.
//
// The package imports no queue, no Redis and no web framework. Payloads and results are
// checked by JSON Schemas (internal/jsonschema), which are made of Go types and their struct tags.
package task
