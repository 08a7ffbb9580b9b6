package openapitest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/internal/openapitest"
)

const document = `{"openapi":"3.1.0","info":{"title":"T","version":"1"},"paths":{"/things/{id}":{
	"get":{"operationId":"get","parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"string","examples":["a"]}}],
		"security":[{"key":["things.read"]}],"responses":{
		"200":{"description":"OK","headers":{"X-Request-Id":{"required":true,"schema":{"type":"string"}},"ETag":{"schema":{"type":"string"}}},
			"content":{"application/json":{"schema":{"type":"object","required":["n"],"additionalProperties":false,
				"properties":{"n":{"type":["integer","null"]},"at":{"type":"string","format":"date-time"}}}}}},
		"204":{"description":"No Content"}}},
	"put":{"operationId":"put","requestBody":{"content":{"application/json":{"schema":{"type":"object","properties":{"n":{"type":"integer"}}}}}},
		"responses":{"204":{"description":"No Content"}}}},
	"/things/all":{"get":{"operationId":"all","responses":{"204":{"description":"No Content"}}}}},
	"components":{"securitySchemes":{"key":{"type":"http","scheme":"bearer"}}}}`

func read(t *testing.T, text string) *openapitest.Document {
	t.Helper()
	d, err := openapitest.Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCheck(t *testing.T) {
	d := read(t, document)
	const json = "application/json"
	for name, tt := range map[string]struct {
		path, contentType string
		status            int
		body              string
		header            []string
		fits              bool
	}{
		"right":                    {"/things/a", json, 200, `{"n":1,"at":"2026-11-21T11:00:00.000Z"}`, []string{"X-Request-Id", "17", "Etag", `"r1"`}, true},
		"null where it may be":     {"/things/a", json, 200, `{"n":null}`, []string{"X-Request-Id", "x"}, true},
		"nothing where nothing is": {"/things/a", "", 204, ``, nil, true},
		"no path of the document":  {"/things", json, 200, `[]`, nil, true},
		"another path":             {"/things/all", "", 204, ``, nil, true},
		"another path's answer":    {"/things/all", json, 200, `{"n":1}`, []string{"X-Request-Id", "x"}, false},
		"a field missing":          {"/things/a", json, 200, `{}`, []string{"X-Request-Id", "x"}, false},
		"a field too many":         {"/things/a", json, 200, `{"n":1,"m":1}`, []string{"X-Request-Id", "x"}, false},
		"another type":             {"/things/a", json, 200, `{"n":"1"}`, []string{"X-Request-Id", "x"}, false},
		"another format":           {"/things/a", json, 200, `{"n":1,"at":"today"}`, []string{"X-Request-Id", "x"}, false},
		"another content":          {"/things/a", "text/plain", 200, `{"n":1}`, []string{"X-Request-Id", "x"}, false},
		"an unknown status":        {"/things/a", json, 201, `{"n":1}`, []string{"X-Request-Id", "x"}, false},
		"a header missing":         {"/things/a", json, 200, `{"n":1}`, nil, false},
		"a header too many":        {"/things/a", json, 200, `{"n":1}`, []string{"X-Request-Id", "x", "X-More", "x"}, false},
		"a body too many":          {"/things/a", json, 204, `{}`, nil, false},
	} {
		header := make(http.Header)
		if tt.contentType != "" {
			header.Set("Content-Type", tt.contentType)
		}
		for i := 0; i < len(tt.header); i += 2 {
			header.Set(tt.header[i], tt.header[i+1])
		}
		if faults := d.Check(http.MethodGet, tt.path, tt.status, header, []byte(tt.body)); len(faults) == 0 != tt.fits {
			t.Errorf("%s: %q", name, faults)
		}
	}
	for body, fits := range map[string]bool{`{"n":1}`: true, `{"n":"1"}`: false} {
		if faults := d.CheckBody(http.MethodPut, "/things/a", []byte(body)); len(faults) == 0 != fits {
			t.Errorf("a body %s: %q", body, faults)
		}
	}
}

func TestOperations(t *testing.T) {
	d := read(t, document)
	var all []string
	for _, op := range d.Operations {
		all = append(all, op.Method+" "+op.Fill(openapitest.Parameter.Example)+" "+op.Scope())
	}
	if got := strings.Join(all, ", "); got != "GET /things/all , GET /things/a things.read, PUT /things/{id} " {
		t.Error(got)
	}
}
