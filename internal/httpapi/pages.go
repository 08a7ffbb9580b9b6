package httpapi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/labstack/echo/v4"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
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

// addPages adds what people look at: the page of links, the documentation and the dashboard. It comes after the
// operations, which the documentation tells of.
func (a *api) addPages(e *echo.Echo) {
	spec, err := json.Marshal(a.OpenAPI())
	if err != nil {
		panic(err) // an operation is described with something that JSON does not know
	}
	spec = ownKeyword.ReplaceAll(spec, nil)
	document := &typedDocument{base: spec, types: a.Types.Types}
	e.GET("/openapi.json", func(c echo.Context) error {
		text, err := document.read()
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/openapi+json", text)
	})
	index := bytes.ReplaceAll(indexPage, []byte(`href="/`), []byte(`href="`+a.Prefix+"/"))
	e.GET("/", func(c echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", indexPolicy)
		return c.HTMLBlob(http.StatusOK, index)
	})
	// The assets of Swagger UI are part of the program: the page works without the internet.
	docs := v5emb.NewWithConfig(swgui.Config{
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
	serveDocs := func(c echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", docsPolicy)
		docs.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	e.GET("/docs", serveDocs)
	e.GET("/docs/*", serveDocs)
	if a.Monitor != nil {
		e.Any("/monitor", a.withPrefix(a.Monitor))
		e.Any("/monitor/*", a.withPrefix(a.Monitor))
	}
}
