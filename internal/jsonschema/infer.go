package jsonschema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/swaggest/jsonschema-go"
)

// For makes the schema of a Go type. Fields are required unless their json tag has omitempty or omitzero, and no others are
// allowed. The tags of a field say more of it: doc, example, default, enum, format, pattern, patternDescription, minimum,
// maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, minLength, maxLength, minItems, maxItems, uniqueItems,
// minProperties, maxProperties, nullable. A type can write its own schema in a method JSONSchemaBytes. For returns an
// error for tags that make no sense.
func For(t reflect.Type) (*Schema, error) {
	inferred, err := new(jsonschema.Reflector).Reflect(reflect.New(t).Interface(),
		jsonschema.DefinitionsPrefix("#/$defs/"), jsonschema.InterceptDefName(bareName),
		jsonschema.InterceptProp(tagProperty), jsonschema.InterceptSchema(fitType),
		jsonschema.ProcessWithoutTags)
	if err != nil {
		return nil, fmt.Errorf("schema of %v: %w", t, err)
	}
	data, err := json.Marshal(inferred)
	if err != nil {
		return nil, fmt.Errorf("schema of %v: %w", t, err)
	}
	var document map[string]any
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("schema of %v: %w", t, err)
	}
	if definitions, ok := document["definitions"]; ok { // the name in older drafts
		delete(document, "definitions")
		document["$defs"] = definitions
	}
	modernize(document)
	shown, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("schema of %v: %w", t, err)
	}
	allowNull(document)
	return compile(shown, document)
}

// allowNull lets null stand for a field that may be left out, as encoding/json has it.
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

// ofItems are the keywords that say nothing of a list: on a list they are meant for its items.
var ofItems = []string{
	"format", "pattern", "patternDescription", "enum", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
	"exclusiveMaximum", "multipleOf",
}

// modernize writes bytes as draft 2020-12 has it, and gives the items of a list what is meant for them.
func modernize(part any) {
	switch part := part.(type) {
	case []any:
		for _, each := range part {
			modernize(each)
		}
	case map[string]any:
		if part["format"] == "base64" {
			delete(part, "format")
			part["contentEncoding"] = "base64"
		}
		if items, ok := part["items"].(map[string]any); ok {
			for _, name := range ofItems {
				if value, ok := part[name]; ok {
					items[name] = value
					delete(part, name)
				}
			}
		}
		for _, each := range part {
			modernize(each)
		}
	}
}

// bareName leaves the package out of the name of a definition. Those of two types with the same name are told apart by a number.
func bareName(t reflect.Type, _ string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("[]*/.,·", r) {
			return '_' // of a generic type
		}
		return r
	}, t.Name())
}

func tagProperty(p jsonschema.InterceptPropParams) error {
	if !p.Processed {
		return nil
	}
	tag := p.Field.Tag
	if ref := p.PropertySchema.Ref; ref != nil && p.Field.Type.Kind() == reflect.Pointer {
		p.PropertySchema.Ref = nil
		p.PropertySchema.AnyOf = []jsonschema.SchemaOrBool{
			(&jsonschema.Schema{Ref: ref}).ToSchemaOrBool(), (&jsonschema.Schema{}).WithType(jsonschema.Null.Type()).ToSchemaOrBool(),
		}
	}
	if text := tag.Get("doc"); text != "" {
		p.PropertySchema.WithDescription(text)
	}
	if text := tag.Get("patternDescription"); text != "" {
		p.PropertySchema.WithExtraPropertiesItem("patternDescription", text)
	}
	if options := tag.Get("json"); !strings.Contains(options, ",omitempty") && !strings.Contains(options, ",omitzero") {
		p.ParentSchema.Required = append(p.ParentSchema.Required, p.Name)
	}
	return nil
}

var (
	marshaler = reflect.TypeFor[json.Marshaler]()
	describer = reflect.TypeFor[jsonschema.RawExposer]()
	builtIn   = []reflect.Type{reflect.TypeFor[time.Time](), reflect.TypeFor[json.RawMessage]()}
)

// fitType describes what encoding/json writes of a type where its kind says something else, and closes structs.
func fitType(p jsonschema.InterceptSchemaParams) (stop bool, err error) {
	t := p.Value.Type()
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[json.Number]():
		*p.Schema = jsonschema.Schema{}
		p.Schema.AddType(jsonschema.Number)
		return true, nil
	case !slices.Contains(builtIn, t) && implements(t, marshaler) && !implements(t, describer):
		*p.Schema = jsonschema.Schema{} // it may write anything
		return true, nil
	case p.Processed && t.Kind() == reflect.Struct && p.Schema.HasType(jsonschema.Object):
		no := false
		p.Schema.AdditionalProperties = &jsonschema.SchemaOrBool{TypeBoolean: &no}
	}
	return false, nil
}

func implements(t, method reflect.Type) bool {
	return t.Implements(method) || reflect.PointerTo(t).Implements(method)
}
