// Package openapitest holds the API against its own OpenAPI document, for tests: whether the document is one, and whether
// answers are as it says.
package openapitest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	validation "github.com/pb33f/libopenapi-validator/errors"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Document is an OpenAPI document. It is safe for use by many goroutines.
type Document struct {
	// Operations are all calls that the document describes, in the order of their paths and methods.
	Operations []Operation

	validator validator.Validator
	items     map[string]*v3.PathItem
	mu        sync.Mutex // the validator keeps caches
}

// Read reads a document as the API serves it. It fails where the document cannot even be read; Faults tells the rest.
func Read(data []byte) (*Document, error) {
	operations, err := readOperations(data)
	if err != nil {
		return nil, err
	}
	document, err := libopenapi.NewDocument(data)
	if err != nil {
		return nil, err
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(document, config.WithFormatAssertions())
	if len(errs) > 0 {
		return nil, errs[0]
	}
	d := &Document{Operations: operations, validator: v, items: make(map[string]*v3.PathItem)}
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		d.items[path] = item
	}
	return d, nil
}

// Faults returns in what the document is no OpenAPI 3.1.
func (d *Document) Faults() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, errs := d.validator.ValidateDocument()
	return describe(errs)
}

// Check returns in what an answer is not as the document says: its status, its type of content, its headers, its body. Of
// paths that the document does not know, and of methods that they do not have, it says nothing.
func (d *Document) Check(method, path string, status int, header http.Header, body []byte) []string {
	op, ok := d.Find(method, path)
	if !ok {
		return nil
	}
	request, err := http.NewRequest(op.Method, "http://localhost"+op.Path, nil)
	if err != nil {
		return []string{err.Error()}
	}
	response := &http.Response{StatusCode: status, Header: header.Clone(), Body: io.NopCloser(bytes.NewReader(body))}
	if id := header.Get(requestID); id != "" {
		response.Header.Set(requestID, "x"+id) // the validator takes a text of digits for a number, and clients choose this one
	}
	d.mu.Lock()
	_, errs := d.validator.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(request, response, d.items[op.Path], op.Path)
	d.mu.Unlock()
	return append(describe(errs), op.checkFrame(status, header, body)...)
}

// CheckBody returns in what a body that the API has taken is not as the document says. The API takes JSON under any name,
// so that of the content does not matter.
func (d *Document) CheckBody(method, path string, body []byte) []string {
	op, ok := d.Find(method, path)
	if !ok || len(op.Body.Content) == 0 {
		return nil
	}
	request, err := http.NewRequest(op.Method, "http://localhost"+op.Path, bytes.NewReader(body))
	if err != nil {
		return []string{err.Error()}
	}
	for name := range op.Body.Content {
		request.Header.Set("Content-Type", name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, errs := d.validator.GetRequestBodyValidator().ValidateRequestBodyWithPathItem(request, d.items[op.Path], op.Path)
	return describe(errs)
}

// checkFrame checks what the validator passes over: content where none is declared, and headers.
func (op Operation) checkFrame(status int, header http.Header, body []byte) (faults []string) {
	declared, ok := op.Responses[fmt.Sprint(status)]
	if !ok {
		return nil // which the validator has told
	}
	if len(declared.Content) == 0 && len(body) > 0 {
		faults = append(faults, fmt.Sprintf("a body of %d bytes, and the document knows of none", len(body)))
	}
	for name := range header {
		if !slices.Contains(ofHTTP, name) && !declared.hasHeader(name) {
			faults = append(faults, "the document knows of no header "+name)
		}
	}
	return faults
}

const requestID = "X-Request-Id"

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

func describe(errs []*validation.ValidationError) (faults []string) {
	for _, err := range errs {
		fault := err.Message + ": " + err.Reason
		for _, cause := range err.SchemaValidationErrors {
			fault += fmt.Sprintf("; %s: %s", cause.FieldPath, cause.Reason)
		}
		faults = append(faults, fault)
	}
	return faults
}
