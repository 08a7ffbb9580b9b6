// Package httpapi is the HTTP API: it adds the routes of all resources to one router, behind the same middlewares.
//
//	request ─▶ request id ─▶ origin and host ─▶ echo's router ─▶ middlewares ─▶ huma ─▶ handler ─▶ store
//	                                              │                │            │         │
//	                                              └─ 404, 405      │            │         └─ codes of errors
//	                                                               │            └─ 400, 408, 413, 422
//	                                                               └─ 401, 403, 413, 415, 429
//
// The packages below it:
//
//	rest       the table of routes, problem documents, the reading of bodies, request ids
//	guard      credentials and scopes, rate limits, origins and hosts, the form and size of requests
//	auditlog   the record of changes
//	tasks      tasks and their types
//	schedules  schedules
//	fleet      queues, workers, the beat, health, metrics
//	console    the pages for people
//	openapi    the OpenAPI document
//
// A resource package declares the stores that it needs and returns its routes. Each route is described once: the
// description validates requests, makes the OpenAPI document, and holds the scope and the audit action that middlewares
// look up. A route without a scope panics in New.
//
// Errors are answered as problem documents (RFC 9457). Their task.Code decides the status; rest/problem.go holds the
// one table from codes to HTTP. The tests in this package see the whole API from outside.
package httpapi
