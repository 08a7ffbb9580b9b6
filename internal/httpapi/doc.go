// Package httpapi is Backbeat's HTTP API: it takes tasks, tells of them, of queues and of workers, and documents
// itself.
//
// A request passes, in this order: its id, the access log, the net under panics, the safety headers, the check of
// its origin, the routes, and huma, which reads and validates what the handlers are given:
//
//	exchange → log → recover → headers → origin → echo's router → prepare → huma → handler → Store
//
// Handlers return errors of package task; problem.go turns them, like every other failure, into RFC 9457 problem
// documents. Clients see what they can act on, and a request id; the log has the cause under the same id.
package httpapi
