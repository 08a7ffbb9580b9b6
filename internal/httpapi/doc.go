// Package httpapi is the HTTP API: routes, what they take and what they answer.
//
//	request ─▶ request id ─▶ origin and host ─▶ echo's router ─▶ huma ─▶ handler ─▶ Catalog.Prepare ─▶ Tasks
//	                                              │                 │         │
//	                                              └─ problem 404/405 └─ 400/413/415/422 ◀─ codes of errors
//
// Between the router and huma a request is logged, audited if it changes something, authorized, and bounded in size and
// depth.
//
// The OpenAPI document is completed with the task types that are known when it is asked for (type_variants.go); requests are
// validated by the catalog.
//
// Each route is described once, to huma: the description validates what comes in and makes the OpenAPI document.
// Whatever goes wrong is answered as a problem document (RFC 9457), and errors are told apart by their task.Code;
// problem.go holds the one table that maps those to HTTP.
package httpapi
