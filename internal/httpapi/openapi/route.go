package openapi

import (
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

// ownKeyword matches a keyword that huma adds to patterns and OpenAPI does not have. It matches no text, in which quotes are
// escaped.
var ownKeyword = regexp.MustCompile(`,"patternDescription":"(?:[^"\\]|\\.)*"`)

// Route completes the document, to which all operations have been added, and returns its route.
func Route(doc *huma.OpenAPI, types func() []*task.Type) rest.Route {
	describeAnswers(doc)
	describeNulls(doc)
	spec, err := json.Marshal(doc)
	if err != nil {
		panic(err) // an operation has a value that JSON cannot express
	}
	spec = ownKeyword.ReplaceAll(spec, nil)
	document := &typedDocument{base: spec, types: types}
	return rest.Page(http.MethodGet, "/openapi.json", rest.Public, func(c echo.Context) error {
		text, err := document.read()
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/openapi+json", text)
	})
}
