// Package openapitest checks answers of the API against its own OpenAPI document, for tests. Whether the document is valid
// OpenAPI is checked in test/openapi, by libraries that the root module does without.
package openapitest

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// Document is an OpenAPI document. It is safe for use by many goroutines.
type Document struct {
	// Operations are all calls that the document describes, in the order of their paths and methods.
	Operations []Operation

	schemas schemas
}

// Read reads a document as the API serves it. It returns an error for a document that is not JSON, and for one with a schema
// that does not compile.
func Read(data []byte) (*Document, error) {
	operations, err := readOperations(data)
	if err != nil {
		return nil, err
	}
	compiled, err := compile(data, operations)
	if err != nil {
		return nil, err
	}
	return &Document{operations, compiled}, nil
}

// Check returns in what an answer is not as the document says: its status, its type of content, its headers, its body. It
// says nothing of paths that the document does not know, and of methods that they do not have.
func (d *Document) Check(method, path string, status int, header http.Header, body []byte) []string {
	op, ok := d.Find(method, path)
	if !ok {
		return nil
	}
	code := fmt.Sprint(status)
	declared, ok := op.Responses[code]
	if !ok {
		return []string{"the document knows of no status " + code}
	}
	at := append(op.pointer(), "responses", code)
	return slices.Concat(d.checkHeaders(at, declared, header), d.checkContent(at, declared, header.Get("Content-Type"), body))
}

// CheckBody returns in what a body that the API has taken is not as the document says. The API takes JSON under any name,
// so that of the content does not matter.
func (d *Document) CheckBody(method, path string, body []byte) (faults []string) {
	op, ok := d.Find(method, path)
	if !ok {
		return nil
	}
	for name := range op.Body.Content {
		faults = append(faults, d.schemas.check(append(op.pointer(), "requestBody", "content", name, "schema"), body)...)
	}
	return faults
}

func (d *Document) checkContent(at []string, declared response, contentType string, body []byte) []string {
	if len(declared.Content) == 0 {
		if len(body) > 0 {
			return []string{fmt.Sprintf("a body of %d bytes, and the document knows of none", len(body))}
		}
		return nil
	}
	name, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return []string{fmt.Sprintf("Content-Type %q: %v", contentType, err)}
	}
	if _, ok := declared.Content[name]; !ok {
		return []string{"the document knows of no content " + name}
	}
	if !isJSON(name) {
		return nil
	}
	return d.schemas.check(append(slices.Clone(at), "content", name, "schema"), body)
}

func isJSON(name string) bool { return name == "application/json" || strings.HasSuffix(name, "+json") }

func (d *Document) checkHeaders(at []string, declared response, header http.Header) (faults []string) {
	for name, h := range declared.Headers {
		switch value := header.Get(name); {
		case value != "":
			faults = append(faults, d.schemas.checkText(append(slices.Clone(at), "headers", name, "schema"), value)...)
		case h.Required:
			faults = append(faults, "the header "+name+" is missing")
		}
	}
	for name := range header {
		if !slices.Contains(ofHTTP, name) && !declared.hasHeader(name) {
			faults = append(faults, "the document knows of no header "+name)
		}
	}
	return faults
}

// ofHTTP are headers that need no words in the document: they mean the same wherever there is HTTP.
var ofHTTP = []string{
	"Allow", "Cache-Control", "Connection", "Content-Length", "Content-Security-Policy", "Content-Type", "Date", "Referrer-Policy", "Transfer-Encoding",
	"Vary", "X-Content-Type-Options", "X-Frame-Options",
}

func (r response) hasHeader(name string) bool {
	for declared := range r.Headers {
		if strings.EqualFold(declared, name) {
			return true
		}
	}
	return false
}
