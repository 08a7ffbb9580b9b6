package openapitest

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas are those of a document that answers and bodies are checked by, each by its JSON pointer.
type schemas map[string]*jsonschema.Schema

// address names the document inside the compiler.
const address = "mem:///openapi.json"

func compile(data []byte, operations []Operation) (schemas, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(address, document); err != nil {
		return nil, err
	}
	compiled := make(schemas)
	for _, op := range operations {
		for _, path := range op.schemas() {
			at := pointer(path)
			schema, err := compiler.Compile(address + "#" + (&url.URL{Fragment: at}).EscapedFragment())
			if err != nil {
				return nil, fmt.Errorf("%s: %w", at, err)
			}
			compiled[at] = schema
		}
	}
	return compiled, nil
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

func pointer(path []string) string {
	var p strings.Builder
	for _, name := range path {
		p.WriteString("/" + escape.Replace(name))
	}
	return p.String()
}

// check returns in what JSON does not fit the schema at a path.
func (s schemas) check(path []string, data []byte) []string {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return []string{"the body: " + err.Error()}
	}
	return describe(path, s[pointer(path)].Validate(value))
}

// checkText returns in what the value of a header does not fit: as a text, and as the number that it may stand for.
func (s schemas) checkText(path []string, text string) []string {
	schema := s[pointer(path)]
	err := schema.Validate(text)
	if err == nil {
		return nil
	}
	if value, notJSON := jsonschema.UnmarshalJSON(strings.NewReader(text)); notJSON == nil && schema.Validate(value) == nil {
		return nil
	}
	return describe(path, err)
}

func describe(path []string, err error) []string {
	if err == nil {
		return nil
	}
	return []string{fmt.Sprintf("%s: %v", strings.Join(path, " "), err)}
}
