package openapitest

import (
	"io"
	"net/http"
	"sync"
	"testing"
)

// read holds one document for each text: to compile the schemas of one takes a while.
var read sync.Map // text -> func() (*Document, error)

// Fetch returns the document of the API at a base URL.
func Fetch(t testing.TB, base string) *Document {
	t.Helper()
	response, err := http.Get(base + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	once, _ := read.LoadOrStore(string(text), sync.OnceValues(func() (*Document, error) { return Read(text) }))
	document, err := once.(func() (*Document, error))()
	if err != nil {
		t.Fatalf("%s/openapi.json: %v", base, err)
	}
	return document
}

// CheckAnswer holds an answer, whose body has been read, against the document.
func (d *Document) CheckAnswer(t testing.TB, response *http.Response, body []byte) {
	t.Helper()
	request := response.Request
	if request.Method == http.MethodHead {
		return // as for GET, but for the body
	}
	for _, fault := range d.Check(request.Method, request.URL.EscapedPath(), response.StatusCode, response.Header, body) {
		t.Errorf("%s %s: %d is not as documented: %s", request.Method, request.URL.Path, response.StatusCode, fault)
	}
}
