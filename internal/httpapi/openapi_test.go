package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// What redocly, spectral and kin-openapi ask of a document beyond that it is one.
func TestOpenAPIPassesLinters(t *testing.T) {
	text := ask(t, "GET", serve(t, &stub{})+"/openapi.json", "").body
	var doc struct {
		Info    struct{ Contact struct{ URL string } }
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct {
			Summary, Description string
			Security             *[]map[string][]string
		}
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Servers) != 1 || doc.Servers[0].URL != "/" || doc.Info.Contact.URL == "" {
		t.Errorf("servers %v, info %v", doc.Servers, doc.Info)
	}
	if strings.Contains(text, "patternDescription") {
		t.Error("a schema has a keyword that is not of OpenAPI")
	}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			if op.Security == nil || len(*op.Security) == 0 != !strings.HasPrefix(path, "/v1/") {
				t.Errorf("%s %s: security %v", method, path, op.Security)
			}
			if op.Summary == "" || op.Description == "" {
				t.Errorf("%s %s: summary %q, description %q", method, path, op.Summary, op.Description)
			}
		}
	}
	for name := range doc.Components.Schemas {
		if !strings.Contains(text, `"#/components/schemas/`+name+`"`) {
			t.Errorf("nobody refers to %s", name)
		}
	}
}
