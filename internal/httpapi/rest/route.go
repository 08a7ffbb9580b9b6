package rest

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
)

// Public is the scope of routes that need no credentials.
const Public = "public"

// StoreTime is the StoreTime of routes that need only a few calls of the store.
const StoreTime = 4 * time.Second

// BearerScheme is the name of the security scheme in the OpenAPI document.
const BearerScheme = "bearer"

// Route is one route of the API, with the properties that its middlewares need. Handle and Page make routes.
type Route struct {
	// Operation holds the method and the path, in the notation of OpenAPI, and the description of the route.
	huma.Operation
	// Scope is what a caller needs: Public, or a scope of package auth. It is required.
	Scope string
	// Action is the name of the change in the audit log, such as task.cancel; "" for routes that are not audited.
	Action string
	// StoreTime bounds all calls of the store that a request makes; 0 for handlers that have bounds of their own.
	StoreTime time.Duration
	// Complete adds to the OpenAPI document what huma cannot derive from the handler's types; nil adds nothing.
	Complete func(op *huma.Operation)

	path  string // Path in the notation of echo's router
	isOwn bool
	mount func(t *Table, r *Route)
}

// Handle returns the route with a handler. It is in the OpenAPI document.
func Handle[I, O any](r Route, handler func(context.Context, *I) (*O, error)) Route {
	r.path = strings.NewReplacer("{", ":", "}", "").Replace(r.Path)
	r.mount = func(t *Table, r *Route) { register(t, r, handler) }
	return r
}

// Page returns a route that is not in the OpenAPI document. Its path has no parameters, but may end in an asterisk.
func Page(method, path, scope string, handler echo.HandlerFunc) Route {
	return Route{
		Operation: huma.Operation{Method: method, Path: path}, Scope: scope, path: path,
		mount: func(t *Table, r *Route) { t.echo.Add(r.Method, r.path, handler) },
	}
}

// IsOwn reports whether the route was added by the program that embeds the API, see Table.AddOwn.
func (r *Route) IsOwn() bool { return r != nil && r.isOwn }

// register adds the route to huma, with the problems that any route may answer with.
func register[I, O any](t *Table, r *Route, handler func(context.Context, *I) (*O, error)) {
	op := r.Operation
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusForbidden, http.StatusUnprocessableEntity,
		http.StatusInternalServerError, http.StatusServiceUnavailable)
	op.Security = []map[string][]string{} // an empty list, since an absent one would mean that of the whole document
	if r.Scope != Public {
		op.Security = []map[string][]string{{BearerScheme: {r.Scope}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusUnsupportedMediaType, http.StatusTooManyRequests)
	}
	if strings.HasPrefix(op.Path, "/v1/") {
		op.Errors = append(op.Errors, http.StatusRequestEntityTooLarge, http.StatusRequestTimeout) // of any body, read or not
	}
	op.MaxBodyBytes = t.MaxBodyBytes + 1 // huma refuses bodies as large as its limit
	op.BodyReadTimeout = t.BodyTimeout
	limit := r.StoreTime
	huma.Register(t.api, op, func(ctx context.Context, in *I) (*O, error) {
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		out, err := handler(ctx, in)
		if err != nil {
			return nil, ProblemOf(ctx, t.Logger, err)
		}
		return out, nil
	})
	if r.Complete != nil {
		r.Complete(operationOf(t.OpenAPI(), r.Method, r.Path))
	}
}

// operationOf returns a route's operation, which huma has added.
func operationOf(doc *huma.OpenAPI, method, path string) *huma.Operation {
	for _, op := range Operations(doc.Paths[path]) {
		if op.Method == method {
			return op
		}
	}
	panic("huma has no operation " + method + " " + path)
}
