package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/backbeat-go/backbeat/task"
)

// BodyReader reads and checks bodies of one kind. It does so in place of huma, which takes "URL" for "url" unless a
// variable of the whole process says otherwise.
type BodyReader[T any] struct {
	schemas huma.Registry
	// Schema describes the body.
	Schema *huma.Schema
}

// NewBodyReader describes the body under a name in schemas.
func NewBodyReader[T any](schemas huma.Registry, name string) *BodyReader[T] {
	return &BodyReader[T]{schemas, schemas.Schema(reflect.TypeFor[T](), true, name)}
}

// Read decodes JSON and checks it against the schema. The document is nil if a field has the wrong type, which is then
// among the validation errors. The error is for text that is not JSON.
func (r *BodyReader[T]) Read(data []byte) (*T, []task.ValidationError, error) {
	if !utf8.Valid(data) {
		return nil, nil, notUTF8()
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, nil, notJSON(err)
	}
	invalid := r.check(value)
	document := new(T)
	if err := json.Unmarshal(data, document); err != nil {
		if len(invalid) == 0 {
			invalid = append(invalid, ValidationErrorOf(err)) // a schema cannot say everything
		}
		return nil, invalid, nil
	}
	return document, invalid, nil
}

func (r *BodyReader[T]) check(value any) (invalid []task.ValidationError) {
	misspelt := r.takeMisspelt(r.Schema, value, "")
	var res huma.ValidateResult
	huma.Validate(r.schemas, r.Schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &res)
	for _, err := range res.Errors {
		invalid = append(invalid, ValidationErrorOf(err))
	}
	return append(invalid, misspelt...)
}

// takeMisspelt removes the fields from a value that differ from those of the schema in capital letters only: such a field
// would pass the schema, and fill the field that it resembles.
func (r *BodyReader[T]) takeMisspelt(s *huma.Schema, value any, path string) (invalid []task.ValidationError) {
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
			invalid = append(invalid, r.takeMisspelt(property, field, path+name+".")...)
		case resembles(name, s.Properties):
			delete(fields, name)
			invalid = append(invalid, task.ValidationError{Location: path + name, Message: validation.MsgUnexpectedProperty})
		}
	}
	return invalid
}

func resembles(name string, properties map[string]*huma.Schema) bool {
	for known := range properties {
		if strings.EqualFold(known, name) {
			return true
		}
	}
	return false
}

// WellFormed returns a problem with 400 for text that is not JSON.
func WellFormed(data []byte) error {
	if !utf8.Valid(data) {
		return notUTF8()
	}
	var any json.RawMessage
	if err := json.Unmarshal(data, &any); err != nil {
		return notJSON(err)
	}
	return nil
}

func notUTF8() *Problem {
	return NewProblem(http.StatusBadRequest, "the body is not JSON", Fault{"body", "is not UTF-8"})
}

// notJSON returns the problem of a body that encoding/json cannot read. Text that is well-formed and cannot be read
// holds a number too large for a float64, which the error of encoding/json repeats.
func notJSON(err error) *Problem {
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return NewProblem(http.StatusBadRequest, "the body is not JSON", Fault{"body", err.Error()})
	}
	return NewProblem(http.StatusUnprocessableEntity, "the request is not valid", Fault{"body", "holds a number that is out of range"})
}
