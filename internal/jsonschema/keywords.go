package jsonschema

import "slices"

// keywords are a schema as it is written in JSON.
type keywords map[string]any

// types returns what the value may be, none if it may be anything.
func (k keywords) types() []any {
	switch types := k["type"].(type) {
	case string:
		return []any{types}
	case []any:
		return types
	default:
		return nil
	}
}

func (k keywords) hasType(name string) bool { return slices.Contains(k.types(), any(name)) }

func (k keywords) setTypes(types []any) {
	if len(types) == 1 {
		k["type"] = types[0]
		return
	}
	k["type"] = types
}

// addNull allows null as well.
func (k keywords) addNull() {
	if ref, ok := k["$ref"]; ok {
		delete(k, "$ref")
		k["anyOf"] = []keywords{{"$ref": ref}, {"type": "null"}}
		return
	}
	if types := k.types(); types != nil && !k.hasType("null") {
		k.setTypes(append(types, "null"))
	}
}

// nullFirst allows null as well, and writes it first: documents of types that are in use have it there for pointers. It
// leaves out structs and references, which setNull decides on.
func (k keywords) nullFirst() {
	if types := k.types(); types != nil && k["additionalProperties"] != false && !k.hasType("null") {
		k.setTypes(append([]any{"null"}, types...))
	}
}

func (k keywords) removeNull() {
	if k.hasType("null") {
		k.setTypes(slices.DeleteFunc(slices.Clone(k.types()), func(name any) bool { return name == "null" }))
	}
}

// holdsNil reports whether the value is a list or a map, which is null if Go has none.
func (k keywords) holdsNil() bool {
	return k.hasType("array") || k.hasType("object") && k["properties"] == nil
}

// annotations are keywords that every value satisfies, or that a scalar type implies.
var annotations = []string{"type", "title", "description", "default", "examples", "minimum", "contentEncoding"}

// scalar reports whether the schema is that of a string, a number or a boolean, without further rules.
func (k keywords) scalar() bool {
	for keyword := range k {
		if !slices.Contains(annotations, keyword) {
			return false
		}
	}
	return k.types() != nil && !k.hasType("object") && !k.hasType("array")
}
