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
	var value any = map[string]any{}
	if len(payload) > 0 {
		err := json.Unmarshal(payload, &value)
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return []ValidationError{{"payload", "holds a number that is out of range"}}
		}
		if err != nil {
			return []ValidationError{{"payload", "is not JSON: " + err.Error()}}
		}
	}
	if violations := t.payload.Validate(value); len(violations) > 0 {
		faults := make([]ValidationError, len(violations))
		for i, v := range violations {
			faults[i] = ValidationError{inside("payload", v.Location), v.Message}
		}
		return faults
	}
	if t.decode == nil {
		return nil
	}
	return decodeFaults(t.decode(payload))
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
