package httpapi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/task"
)

//go:embed index.html
var indexPage []byte

// Policies of the pages. Swagger UI starts with a script in its page, and draws with styles of its own.
const (
	indexPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	docsPolicy  = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

// ownKeyword is what huma says of patterns in a keyword of its own, which is not of OpenAPI. In a text its quotes would
// be escaped.
var ownKeyword = regexp.MustCompile(`,"patternDescription":"(?:[^"\\]|\\.)*"`)

// pageRoutes returns what people look at: the page of links, the documentation and the dashboard.
func (a *api) pageRoutes() []Route {
	index := bytes.ReplaceAll(indexPage, []byte(`href="/`), []byte(`href="`+a.Prefix+"/"))
	docs := a.docs()
	routes := []Route{
		Page(http.MethodGet, "/", Public, func(c echo.Context) error {
			c.Response().Header().Set("Content-Security-Policy", indexPolicy)
			return c.HTMLBlob(http.StatusOK, index)
		}),
		Page(http.MethodGet, "/docs", Public, docs),
		Page(http.MethodGet, "/docs/*", Public, docs),
	}
	if a.Monitor == nil {
		return routes
	}
	for _, method := range allMethods {
		for _, path := range []string{"/monitor", "/monitor/*"} {
			page := Page(method, path, auth.Admin, a.withPrefix(a.Monitor))
			page.Action = actionOf("monitor", method)
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
func (a *api) docs() echo.HandlerFunc {
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

// openAPIRoute returns the route of the OpenAPI document, to which all operations have been added.
func openAPIRoute(doc *huma.OpenAPI, types func() []*task.Type) Route {
	spec, err := json.Marshal(doc)
	if err != nil {
		panic(err) // an operation is described with something that JSON does not know
	}
	spec = ownKeyword.ReplaceAll(spec, nil)
	document := &typedDocument{base: spec, types: types}
	return Page(http.MethodGet, "/openapi.json", Public, func(c echo.Context) error {
		text, err := document.read()
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/openapi+json", text)
	})
}
