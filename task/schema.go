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

// Validate checks a payload against the type's schema and then against its Go type. Locations begin with payload:
// payload.url.
func (t *Type) Validate(payload []byte) []ValidationError {
	document := payload
	if len(document) == 0 {
		document = []byte("{}")
	}
	if found := violations(t.payload, "payload", document); len(found) > 0 {
		return found
	}
	if t.decode == nil {
		return nil
	}
	return decodeErrors(t.decode(payload))
}

// ValidateResult checks a result against the type's schema; an empty result is none. Locations begin with result:
// result.total.
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

// violations validates data against a schema. Locations begin with name.
func violations(s *jsonschema.Schema, name string, data []byte) []ValidationError {
	var value any
	err := json.Unmarshal(data, &value)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return []ValidationError{{name, "holds a number that is out of range"}}
	}
	if err != nil {
		return []ValidationError{{name, "is not JSON: " + err.Error()}}
	}
	violated := s.Validate(value)
	found := make([]ValidationError, len(violated))
	for i, v := range violated {
		found[i] = ValidationError{join(name, v.Location), v.Message}
	}
	return found
}

// join returns the location of a field inside the field name.
func join(name, location string) string {
	if location == "" || location[0] == '[' {
		return name + location
	}
	return name + "." + location
}

// DecodeError returns the ValidationError for an error of json.Unmarshal. It omits the invalid value, which may be a secret.
func DecodeError(err error) ValidationError {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return ValidationError{wrong.Field, "is out of range or of the wrong type"}
	}
	return ValidationError{Message: err.Error()}
}

func decodeErrors(err error) []ValidationError {
	if err == nil {
		return nil
	}
	found := []ValidationError{DecodeError(err)}
	if invalid, ok := errors.AsType[*Error](err); ok {
		found = slices.Clone(invalid.Faults)
	}
	for i, e := range found {
		found[i].Location = strings.TrimSuffix("payload."+e.Location, ".")
	}
	return found
}

// setDefaults sets the fields of a struct to the values of their default tags, including those of nested structs.
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
