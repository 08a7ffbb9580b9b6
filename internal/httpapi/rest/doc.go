// Package rest is what the resources of the HTTP API share: the table of routes, problem documents, the reading of bodies,
// request ids, and the values that several resources show.
//
// A resource package returns its routes, and the server adds them to the table:
//
//	rest.Handle(rest.Route{
//		Scope: auth.QueuesWrite, Action: "queue.pause",
//		Operation: huma.Operation{OperationID: "pause-queue", Method: http.MethodPost, Path: "/v1/queues/{queue}/pause"},
//	}, a.pauseQueue)
//
// Middlewares look up the route of a request in the table, by the method and the path that echo's router has found.
package rest
