package openapi

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/backbeat-go/backbeat/task"
)

const (
	// maxDescribedTypes and maxDescribedBytes bound the task types in the OpenAPI document: their number, and the size of
	// their schemas. Types beyond are described as any other type.
	maxDescribedTypes = 200
	maxDescribedBytes = 1 << 20
)

// typedDocument is the OpenAPI document with the payloads and results of the types that are known when it is read.
// Validation does not depend on it.
type typedDocument struct {
	base  []byte // the document without types
	types func() []*task.Type

	mu   sync.Mutex
	of   [sha256.Size]byte // the types that text describes
	text []byte
}

// read returns the current document. It is made anew only when the types have changed.
func (d *typedDocument) read() ([]byte, error) {
	types := d.types()
	of := fingerprint(types)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.text != nil && of == d.of {
		return d.text, nil
	}
	text, err := describeTypes(d.base, types)
	if err != nil {
		return nil, err
	}
	d.text, d.of = text, of
	return text, nil
}

func fingerprint(types []*task.Type) (sum [sha256.Size]byte) {
	hash := sha256.New()
	for _, t := range types {
		fmt.Fprintf(hash, "%q %q %q %q %q\n", t.Name, t.Aliases, t.Description, t.PayloadSchema(), t.ResultSchema())
	}
	hash.Sum(sum[:0])
	return sum
}

// describeTypes adds a variant for each type to the schemas of requests and of tasks.
func describeTypes(base []byte, types []*task.Type) ([]byte, error) {
	var document map[string]any
	if err := json.Unmarshal(base, &document); err != nil {
		return nil, err
	}
	if len(types) == 0 {
		return base, nil
	}
	v := &variants{schemas: document["components"].(map[string]any)["schemas"].(map[string]any), examples: map[string]any{}}
	for size, i := 0, 0; i < len(types) && i < maxDescribedTypes && size <= maxDescribedBytes; i++ {
		size += len(types[i].PayloadSchema()) + len(types[i].ResultSchema())
		v.add(types[i])
	}
	all := len(v.requests) == len(types)
	v.replace("TaskRequest", v.requests, all)
	v.replace("TaskTemplate", v.templates, all)
	v.replace("TaskDocument", v.documents, false) // there may be tasks of types that are gone
	addExamples(document, v.examples)
	return json.Marshal(document)
}

// variants collects the parts of the document that describe types.
type variants struct {
	schemas                        map[string]any
	names                          []any // of the types, with their aliases
	requests, templates, documents []variant
	examples                       map[string]any // requests, by the names of types
}

// variant is a part of a schema: the properties of one type.
type variant struct {
	name   string
	schema map[string]any
}

func (v *variants) add(t *task.Type) {
	name := v.componentName(t.Name)
	v.embed(t.PayloadSchema(), "payload."+name, optional)
	payload := reference("payload." + name)
	required := []any{"type"}
	if len(t.Validate(nil)) > 0 {
		required = append(required, "payload")
	}
	request := map[string]any{
		"title": t.Name, "required": required, "properties": map[string]any{"type": nameOf(t), "payload": payload},
	}
	if t.Description != "" {
		request["description"] = t.Description
	}
	template := map[string]any{}
	for key, value := range request {
		template[key] = value
	}
	if example := exampleOf(t); example != nil {
		value := map[string]any{"type": t.Name, "payload": example}
		request["examples"], template["examples"] = []any{value}, []any{value}
		v.examples[name] = map[string]any{"summary": t.Name, "value": value}
	}
	v.requests = append(v.requests, variant{"TaskRequest." + name, request})
	v.templates = append(v.templates, variant{"TaskTemplate." + name, template})
	document := map[string]any{"title": t.Name, "properties": map[string]any{"type": nameOf(t)}}
	if schema := t.ResultSchema(); schema != nil {
		v.embed(schema, "result."+name, every)
		document["properties"].(map[string]any)["result"] = map[string]any{
			"anyOf": []any{reference("result." + name), map[string]any{"type": "null"}},
		}
	}
	v.documents = append(v.documents, variant{"TaskDocument." + name, document})
	v.names = append(v.names, t.Name)
	for _, alias := range t.Aliases {
		v.names = append(v.names, alias)
	}
}

// nameOf describes the field type of a type's tasks.
func nameOf(t *task.Type) map[string]any {
	if len(t.Aliases) == 0 {
		return map[string]any{"const": t.Name}
	}
	names := []any{t.Name}
	for _, alias := range t.Aliases {
		names = append(names, alias)
	}
	return map[string]any{"enum": names}
}

// replace turns a schema into a choice of variants, each with all of the schema. Unless the variants are all possible types,
// any other type is one more variant.
func (v *variants) replace(name string, list []variant, all bool) {
	if v.schemas[name] == nil {
		return
	}
	if !all {
		list = append(list, variant{name + ".other", map[string]any{
			"title": "any other type", "properties": map[string]any{"type": map[string]any{"not": map[string]any{"enum": v.names}}},
		}})
	}
	v.schemas["Any"+name] = v.schemas[name]
	choice := make([]any, len(list))
	for i, each := range list {
		choice[i] = reference(each.name)
		v.schemas[each.name] = map[string]any{"allOf": []any{reference("Any" + name), each.schema}}
	}
	v.schemas[name] = map[string]any{"oneOf": choice}
}

var notOfComponents = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// componentName turns the name of a type into a name that components may have, and that no other type has.
func (v *variants) componentName(typeName string) string {
	name := notOfComponents.ReplaceAllString(typeName, "_")
	for i := 2; name == "other" || v.schemas["payload."+name] != nil; i++ {
		name = fmt.Sprintf("%s_%d", notOfComponents.ReplaceAllString(typeName, "_"), i)
	}
	return name
}

const componentPath = "#/components/schemas/"

func reference(component string) map[string]any {
	return map[string]any{"$ref": componentPath + component}
}

// addExamples adds the examples to the description of POST /v1/tasks.
func addExamples(document map[string]any, examples map[string]any) {
	if len(examples) == 0 {
		return
	}
	place := document["paths"]
	for _, step := range []string{"/v1/tasks", "post", "requestBody", "content", "application/json"} {
		fields, _ := place.(map[string]any)
		place = fields[step]
	}
	if media, ok := place.(map[string]any); ok {
		media["examples"] = examples
	}
}

// embed adds a schema that is a document by itself as a component, and each of its definitions as another. nullable reports
// which properties may be null.
func (v *variants) embed(schema json.RawMessage, component string, nullable func(required bool) bool) {
	var parsed map[string]any
	if json.Unmarshal(schema, &parsed) != nil || hasBase(parsed) {
		v.schemas[component] = map[string]any{"description": "Any value; GET /v1/task-types has the schema."}
		return
	}
	definitions, _ := parsed["$defs"].(map[string]any)
	delete(parsed, "$defs")
	delete(parsed, "$schema")
	embedPart(parsed, component, nullable)
	v.schemas[component] = parsed
	for name, definition := range definitions {
		embedPart(definition, component, nullable)
		v.schemas[component+"."+notOfComponents.ReplaceAllString(name, "_")] = definition
	}
}

// describeDefault moves the default of a field into its description: code generators treat a field with a default as always
// present.
func describeDefault(schema map[string]any) {
	value, ok := schema["default"]
	if !ok {
		return
	}
	delete(schema, "default")
	text, _ := schema["description"].(string)
	if data, err := json.Marshal(value); err == nil {
		schema["description"] = strings.TrimSpace(text + " Default: " + string(data) + ".")
	}
}

// placeOf returns the place of a part of a schema that has become a component.
func placeOf(ref, component string) string {
	if name, ok := strings.CutPrefix(ref, "#/$defs/"); ok {
		name, rest, nested := strings.Cut(name, "/")
		place := componentPath + component + "." + notOfComponents.ReplaceAllString(name, "_")
		if nested {
			place += "/" + rest
		}
		return place
	}
	return componentPath + component + strings.TrimPrefix(ref, "#")
}

// hasBase reports whether references in a schema may lead out of it.
func hasBase(part any) bool {
	switch part := part.(type) {
	case []any:
		for _, each := range part {
			if hasBase(each) {
				return true
			}
		}
	case map[string]any:
		for key, value := range part {
			text, isText := value.(string)
			switch {
			case isText && (key == "$id" || key == "$anchor" || strings.HasPrefix(key, "$dynamic")):
				return true
			case isText && key == "$ref" && text != "#" && !strings.HasPrefix(text, "#/"):
				return true
			case hasBase(value):
				return true
			}
		}
	}
	return false
}

func optional(required bool) bool { return !required }

func every(bool) bool { return true }

func embedPart(part any, component string, nullable func(required bool) bool) {
	switch part := part.(type) {
	case []any:
		for _, each := range part {
			embedPart(each, component, nullable)
		}
	case map[string]any:
		if ref, ok := part["$ref"].(string); ok {
			part["$ref"] = placeOf(ref, component)
		}
		for _, each := range part {
			embedPart(each, component, nullable)
		}
		_, closed := part["additionalProperties"]
		if _, listed := part["properties"]; part["type"] == "object" && !listed && !closed {
			part["additionalProperties"] = true // which is the default, and code generators expect it to be explicit
		}
		allowNulls(part, nullable)
	}
}

// allowNulls marks properties of an object that may be null: encoding/json reads null as an absent field, and writes it for
// an empty list.
func allowNulls(part map[string]any, nullable func(required bool) bool) {
	properties, _ := part["properties"].(map[string]any)
	required := map[any]bool{}
	if names, ok := part["required"].([]any); ok {
		for _, name := range names {
			required[name] = true
		}
	}
	for name, property := range properties {
		schema, ok := property.(map[string]any)
		if !ok || !nullable(required[name]) {
			continue
		}
		describeDefault(schema)
		_, isEnum := schema["enum"]
		if kind, ok := schema["type"].(string); ok && kind != "null" && !isEnum {
			schema["type"] = []any{kind, "null"}
		} else if !ok && len(schema) > 0 || isEnum {
			properties[name] = map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
		}
	}
}
