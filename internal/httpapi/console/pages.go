// Package console serves the pages for people: the page of links, the documentation and the dashboard.
package console

import (
	"bytes"
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

//go:embed index.html
var indexPage []byte

// Policies of the pages. Swagger UI starts with a script in its page, and draws with styles of its own.
const (
	indexPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	docsPolicy  = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

// API serves the pages.
type API struct {
	// Prefix is the path that the API is served below. Links follow it.
	Prefix string
	// Monitor is the dashboard; nil: there is none. It serves /monitor and all below, with the prefix before it.
	Monitor http.Handler
}

// Routes returns the routes of the pages.
func (a *API) Routes() []rest.Route {
	index := bytes.ReplaceAll(indexPage, []byte(`href="/`), []byte(`href="`+a.Prefix+"/"))
	docs := a.docs()
	routes := []rest.Route{
		rest.Page(http.MethodGet, "/", rest.Public, func(c echo.Context) error {
			c.Response().Header().Set("Content-Security-Policy", indexPolicy)
			return c.HTMLBlob(http.StatusOK, index)
		}),
		rest.Page(http.MethodGet, "/docs", rest.Public, docs),
		rest.Page(http.MethodGet, "/docs/*", rest.Public, docs),
	}
	if a.Monitor == nil {
		return routes
	}
	for _, method := range allMethods {
		for _, path := range []string{"/monitor", "/monitor/*"} {
			page := rest.Page(method, path, auth.Admin, a.withPrefix(a.Monitor))
			page.Action = rest.ActionOf("monitor", method)
			routes = append(routes, page)
		}
	}
	return routes
}

// allMethods are those that echo.Any adds routes for.
var allMethods = []string{
	http.MethodConnect, http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodPost,
	echo.PROPFIND, http.MethodPut, http.MethodTrace, echo.REPORT,
}

// docs serves Swagger UI. Its assets are part of the program: the page works without the internet.
func (a *API) docs() echo.HandlerFunc {
	ui := v5emb.NewWithConfig(swgui.Config{
		HideCurl:         false,
		InternalBasePath: "/docs",
		SettingsUI: map[string]string{
			"docExpansion":             `"list"`,
			"defaultModelsExpandDepth": "-1",
			"displayRequestDuration":   "true",
			"tryItOutEnabled":          "true",
			"deepLinking":              "true",
			"filter":                   "true",
		},
	})("Backbeat API", a.Prefix+"/openapi.json", a.Prefix+"/docs")
	return func(c echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", docsPolicy)
		ui.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

// withPrefix restores the prefix for a handler that expects it.
func (a *API) withPrefix(next http.Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if a.Prefix != "" {
			u := *r.URL
			u.Path = a.Prefix + u.Path
			if u.RawPath != "" {
				u.RawPath = a.Prefix + u.RawPath
			}
			shallow := *r
			shallow.URL = &u
			r = &shallow
		}
		next.ServeHTTP(c.Response(), r)
		return nil
	}
}
