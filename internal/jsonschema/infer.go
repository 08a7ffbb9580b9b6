package jsonschema

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// For makes the schema of a Go type. A field is required unless its json tag has omitempty or omitzero, and other fields are
// not allowed. These tags of a field describe it: doc, example, default, enum, format, pattern, patternDescription, minimum,
// maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, minLength, maxLength, minItems, maxItems, uniqueItems,
// minProperties, maxProperties, nullable. A type can write its own schema in a method JSONSchemaBytes. For returns an
// error for a type that JSON cannot hold and for a tag that cannot be read.
func For(t reflect.Type) (*Schema, error) {
	inferred, err := infer(indirect(t))
	if err != nil {
		return nil, fmt.Errorf("schema of %v: %w", t, err)
	}
	shown, err := json.Marshal(inferred)
	if err != nil {
		return nil, fmt.Errorf("schema of %v: %w", t, err)
	}
	var document any
	if err := json.Unmarshal(shown, &document); err != nil {
		return nil, fmt.Errorf("schema of %v: %w", t, err)
	}
	allowNull(document)
	return compile(shown, document)
}

// allowNull accepts null for a field that may be left out, as encoding/json does.
func allowNull(part any) {
	switch part := part.(type) {
	case []any:
		for _, each := range part {
			allowNull(each)
		}
	case map[string]any:
		for _, each := range part {
			allowNull(each)
		}
		required, _ := part["required"].([]any)
		properties, _ := part["properties"].(map[string]any)
		for name, property := range properties {
			if !slices.Contains(required, any(name)) {
				properties[name] = map[string]any{"anyOf": []any{property, map[string]any{"type": "null"}}}
			}
		}
	}
}

// inference makes the schema of one type. Types that have a name are written once, as definitions.
type inference struct {
	definitions keywords
	refs        map[reflect.Type]string // where a type is written, or is about to be
	names       map[string]reflect.Type
}

func infer(root reflect.Type) (keywords, error) {
	in := &inference{keywords{}, make(map[reflect.Type]string), make(map[string]reflect.Type)}
	if in.name(root) != "" {
		in.refs[root] = "#"
	}
	schema, err := in.describe(root)
	if err != nil {
		return nil, err
	}
	if !implements[describer](root) {
		schema.nullFirst()
	}
	if len(in.definitions) > 0 {
		schema["$defs"] = in.definitions
	}
	return schema, nil
}

// use returns the schema of a type inside that of another.
func (in *inference) use(t reflect.Type) (keywords, error) {
	schema, err := in.refer(indirect(t))
	if err == nil && t.Kind() == reflect.Pointer {
		schema.nullFirst()
	}
	return schema, err
}

// refer returns a reference to the definition of a type that has a name and is more than a scalar, else its schema.
func (in *inference) refer(t reflect.Type) (keywords, error) {
	name := in.name(t)
	if ref, ok := in.refs[t]; ok {
		return keywords{"$ref": ref}, nil
	}
	if name == "" {
		return in.describe(t)
	}
	in.refs[t] = "#/$defs/" + name
	schema, err := in.describe(t)
	if err != nil || schema.scalar() {
		delete(in.refs, t)
		return schema, err
	}
	if kind := t.Kind(); kind == reflect.Slice || kind == reflect.Map {
		schema.addNull() // how encoding/json writes nil
	}
	in.definitions[name] = schema
	return keywords{"$ref": in.refs[t]}, nil
}

// name returns the name of the definition of a type, "" if it gets none. It leaves out the package: of two types with the same
// name, the second gets a number.
func (in *inference) name(t reflect.Type) string {
	if t.PkgPath() == "" || t == timeType || t == rawType {
		return ""
	}
	bare := strings.Map(func(r rune) rune {
		if strings.ContainsRune("[]*/.,·", r) {
			return '_' // of a generic type
		}
		return r
	}, t.Name())
	name := bare
	for n := 2; in.names[name] != nil && in.names[name] != t; n++ {
		name = bare + "Type" + strconv.Itoa(n)
	}
	in.names[name] = t
	return name
}

// describer is a type that writes its own schema.
type describer interface{ JSONSchemaBytes() ([]byte, error) }

var (
	timeType   = reflect.TypeFor[time.Time]()
	rawType    = reflect.TypeFor[json.RawMessage]()
	numberType = reflect.TypeFor[json.Number]()
)

// uuidTypes are arrays that write themselves as UUIDs.
var uuidTypes = []string{"github.com/google/uuid", "github.com/gofrs/uuid", "github.com/gofrs/uuid/v5"}

// describe returns the schema of what encoding/json reads and writes for a type.
func (in *inference) describe(t reflect.Type) (keywords, error) {
	switch {
	case implements[describer](t):
		return describeItself(t)
	case t == timeType:
		return keywords{"type": "string", "format": "date-time"}, nil
	case t == numberType:
		return keywords{"type": "number"}, nil
	case t == rawType, implements[json.Marshaler](t): // it may write anything
		return keywords{}, nil
	case t.Name() == "UUID" && slices.Contains(uuidTypes, t.PkgPath()):
		return keywords{"type": "string", "format": "uuid", "examples": []string{"248df4b7-aa70-47b8-a036-33ac447e668d"}}, nil
	case implements[encoding.TextMarshaler](t), implements[encoding.TextUnmarshaler](t):
		return keywords{"type": "string"}, nil
	default:
		return in.describeKind(t)
	}
}

func describeItself(t reflect.Type) (schema keywords, err error) {
	data, err := reflect.New(t).Interface().(describer).JSONSchemaBytes()
	if err != nil {
		return nil, err
	}
	return schema, json.Unmarshal(data, &schema)
}

func (in *inference) describeKind(t reflect.Type) (keywords, error) {
	switch t.Kind() {
	case reflect.Bool:
		return keywords{"type": "boolean"}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return keywords{"type": "integer"}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return keywords{"type": "integer", "minimum": 0}, nil
	case reflect.Float32, reflect.Float64:
		return keywords{"type": "number"}, nil
	case reflect.String:
		return keywords{"type": "string"}, nil
	case reflect.Interface:
		return keywords{}, nil
	case reflect.Slice, reflect.Array:
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
			return keywords{"type": "string", "contentEncoding": "base64"}, nil
		}
		items, err := in.use(t.Elem())
		return keywords{"type": "array", "items": items}, err
	case reflect.Map:
		values, err := in.use(t.Elem())
		return keywords{"type": "object", "additionalProperties": values}, err
	case reflect.Struct:
		return in.describeStruct(t)
	default:
		return nil, fmt.Errorf("JSON has no %v", t)
	}
}

// indirect returns the type that pointers point to.
func indirect(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// implements reports whether a type or a pointer to it has the methods of I.
func implements[I any](t reflect.Type) bool {
	methods := reflect.TypeFor[I]()
	return t.Implements(methods) || reflect.PointerTo(t).Implements(methods)
}
