package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/backbeat-go/backbeat/task"
)

// bodyReader reads and checks bodies of one kind. It does so itself, rather than let huma do it, because huma takes "URL"
// for "url" unless a variable of the whole process says otherwise.
type bodyReader[T any] struct {
	schemas huma.Registry
	schema  *huma.Schema
}

// newBodyReader describes the body under a name in schemas.
func newBodyReader[T any](schemas huma.Registry, name string) *bodyReader[T] {
	return &bodyReader[T]{schemas, schemas.Schema(reflect.TypeFor[T](), true, name)}
}

// read decodes JSON and finds all that is wrong with it by its schema. The document is nil if a field is of the wrong type,
// which is among the faults then. The error is for what is not JSON.
func (r *bodyReader[T]) read(data []byte) (*T, []task.ValidationError, error) {
	if !utf8.Valid(data) {
		return nil, nil, newProblem(http.StatusBadRequest, "the body is not JSON", fault{"body", "is not UTF-8"})
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, nil, notJSON(err)
	}
	faults := r.check(value)
	document := new(T)
	if err := json.Unmarshal(data, document); err != nil {
		if len(faults) == 0 {
			faults = append(faults, faultOf(err)) // a schema cannot say everything
		}
		return nil, faults, nil
	}
	return document, faults, nil
}

func (r *bodyReader[T]) check(value any) (faults []task.ValidationError) {
	misspelt := r.takeMisspelt(r.schema, value, "")
	var res huma.ValidateResult
	huma.Validate(r.schemas, r.schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &res)
	for _, err := range res.Errors {
		faults = append(faults, faultOf(err))
	}
	return append(faults, misspelt...)
}

// takeMisspelt takes the fields out of a value that are those of the schema but for capital letters: without that such a
// field passes the schema, and fills the field that it resembles.
func (r *bodyReader[T]) takeMisspelt(s *huma.Schema, value any, path string) (faults []task.ValidationError) {
	if s.Ref != "" {
		s = r.schemas.SchemaFromRef(s.Ref)
	}
	fields, ok := value.(map[string]any)
	if !ok || len(s.Properties) == 0 {
		return nil
	}
	for name, field := range fields {
		property := s.Properties[name]
		switch {
		case property != nil:
			faults = append(faults, r.takeMisspelt(property, field, path+name+".")...)
		case resembles(name, s.Properties):
			delete(fields, name)
			faults = append(faults, task.ValidationError{Location: path + name, Message: validation.MsgUnexpectedProperty})
		}
	}
	return faults
}

func resembles(name string, properties map[string]*huma.Schema) bool {
	for known := range properties {
		if strings.EqualFold(known, name) {
			return true
		}
	}
	return false
}
