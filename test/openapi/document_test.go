// Package openapi checks that the API's own description is valid OpenAPI.
package openapi

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/task"
)

// faults returns in what a text is not an OpenAPI 3.1 document.
func faults(t *testing.T, text string) (all []string) {
	t.Helper()
	document, err := libopenapi.NewDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(document, config.WithFormatAssertions())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	_, found := v.ValidateDocument()
	for _, f := range found {
		text := f.Message + ": " + f.Reason
		for _, cause := range f.SchemaValidationErrors {
			text += fmt.Sprintf("; %s: %s", cause.FieldPath, cause.Reason)
		}
		all = append(all, text)
	}
	return all
}

const valid = `{"openapi":"3.1.0","info":{"title":"T","version":"1"},"paths":{"/things/all":{"get":{"operationId":"all",
	"security":[{"key":[]}],"responses":{"204":{"description":"No Content"}}}}},
	"components":{"securitySchemes":{"key":{"type":"http","scheme":"bearer"}}}}`

func TestFaultsAreFound(t *testing.T) {
	if all := faults(t, valid); len(all) > 0 {
		t.Error(all)
	}
	for name, change := range map[string][2]string{
		"an unknown scheme":         {`"type":"http"`, `"type":"htp"`},
		"a field that is not there": {`"operationId":"all"`, `"operationName":"all"`},
		"an answer undescribed":     {`"description":"No Content"`, `"x-description":"No Content"`},
	} {
		if all := faults(t, strings.ReplaceAll(valid, change[0], change[1])); len(all) == 0 {
			t.Errorf("%s passes", name)
		}
	}
}

type payload struct {
	URL  string `json:"url" format:"uri"`
	Note any    `json:"note,omitempty"`
}

// tree has a schema that refers to itself.
type tree struct {
	Name     string  `json:"name" minLength:"9"`
	Children []*tree `json:"children,omitempty"`
}

func TestOpenAPIIsValid(t *testing.T) {
	types := catalog.New([]string{"default", "low"}, time.Hour)
	if err := types.Add(
		task.Define[payload, task.None]("call", task.Describe("Calls a URL.")).Type,
		task.Define[map[string]any, map[string]any]("echo").Type,
		task.Define[tree, task.None]("plant.tree", task.Aliases("plant.bush")).Type,
		task.Define[task.None, tree]("plant a seed").Type,
	); err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(httpapi.New(httpapi.Config{Tasks: struct{ httpapi.Tasks }{}, Types: types, Logger: slog.New(slog.DiscardHandler), Version: "1.2.3"}))
	t.Cleanup(api.Close)
	answer, err := http.Get(api.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults(t, string(text)) {
		t.Error(f)
	}
}
