package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema is a JSON Schema (draft 2020-12) to check values by and to show.
type Schema struct {
	json     json.RawMessage
	document any
	compiled *jsonschema.Schema
}

// address names a document inside the compiler. Nothing is loaded from there.
const address = "schema:payload"

// Parse reads a schema. It returns an error for what is no JSON, no schema, or refers to other documents.
func Parse(document []byte) (*Schema, error) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	return compile(document, parsed)
}

// compile makes a Schema that is shown as one document and checks by another.
func compile(shown []byte, document any) (*Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertContent()
	for _, f := range strictFormats {
		c.RegisterFormat(&f)
	}
	c.UseLoader(noLoader{})
	if err := c.AddResource(address, document); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	compiled, err := c.Compile(address)
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	return &Schema{shown, document, compiled}, nil
}

// noLoader keeps a schema from making this program read files or call addresses.
type noLoader struct{}

func (noLoader) Load(string) (any, error) {
	return nil, errors.New("a schema may refer to itself only")
}

// JSON returns the document. It is not to be changed.
func (s *Schema) JSON() json.RawMessage { return s.json }
