package task

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/backbeat-go/backbeat/internal/jsonschema"
)

func schemaFor[T any]() *jsonschema.Schema {
	s, err := jsonschema.For(reflect.TypeFor[T]())
	if err != nil {
		panic(err)
	}
	return s
}

// Validate checks a payload against the type's schema and then against its Go type. Locations are those
// of a request: payload.url.
func (t *Type) Validate(payload []byte) []ValidationError {
	document := payload
	if len(document) == 0 {
		document = []byte("{}")
	}
	if faults := violations(t.payload, "payload", document); len(faults) > 0 {
		return faults
	}
	if t.decode == nil {
		return nil
	}
	return decodeFaults(t.decode(payload))
}

// ValidateResult checks a result against the type's schema; empty is none. Locations begin with result: result.total.
func (t *Type) ValidateResult(result []byte) []ValidationError {
	switch {
	case t.result == nil && len(result) == 0:
		return nil
	case t.result == nil:
		return []ValidationError{{"result", "the type has no result"}}
	case len(result) == 0:
		return []ValidationError{{"result", "is missing"}}
	}
	return violations(t.result, "result", result)
}

// violations are what is wrong with JSON, called name, by its schema.
func violations(s *jsonschema.Schema, name string, data []byte) []ValidationError {
	var value any
	err := json.Unmarshal(data, &value)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return []ValidationError{{name, "holds a number that is out of range"}}
	}
	if err != nil {
		return []ValidationError{{name, "is not JSON: " + err.Error()}}
	}
	found := s.Validate(value)
	faults := make([]ValidationError, len(found))
	for i, v := range found {
		faults[i] = ValidationError{inside(name, v.Location), v.Message}
	}
	return faults
}

// inside puts the name of the whole before the location of a part.
func inside(whole, part string) string {
	if part == "" || part[0] == '[' {
		return whole + part
	}
	return whole + "." + part
}

// DecodeError makes a ValidationError of an error of the decoding of JSON. It leaves out the value at fault, which may be a secret.
func DecodeError(err error) ValidationError {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return ValidationError{wrong.Field, "is out of range or of the wrong type"}
	}
	return ValidationError{Message: err.Error()}
}

func decodeFaults(err error) []ValidationError {
	if err == nil {
		return nil
	}
	faults := []ValidationError{DecodeError(err)}
	if invalid, ok := errors.AsType[*Error](err); ok {
		faults = slices.Clone(invalid.Faults)
	}
	for i, f := range faults {
		faults[i].Location = strings.TrimSuffix("payload."+f.Location, ".")
	}
	return faults
}

// setDefaults fills the fields of a struct from their default tags, nested structs included.
func setDefaults(v reflect.Value) error {
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		text, ok := field.Tag.Lookup("default")
		if !ok {
			if err := setDefaults(v.Field(i)); err != nil {
				return err
			}
			continue
		}
		if err := setDefault(v.Field(i), text); err != nil {
			return fmt.Errorf("field %s: default %q: %w", field.Name, text, err)
		}
	}
	return nil
}

func setDefault(v reflect.Value, text string) error {
	if v.Kind() == reflect.String {
		v.SetString(text)
		return nil
	}
	return json.Unmarshal([]byte(text), v.Addr().Interface())
}
