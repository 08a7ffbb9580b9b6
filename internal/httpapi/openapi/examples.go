package openapi

import (
	"encoding/json"
	"strings"

	"github.com/backbeat-go/backbeat/task"
)

// exampleOf returns a payload that is valid for the type, or nil if its schema is not enough to find one.
func exampleOf(t *task.Type) any {
	var schema map[string]any
	if json.Unmarshal(t.PayloadSchema(), &schema) != nil {
		return nil
	}
	for _, withExamples := range []bool{true, false} {
		value := sampler{schema, withExamples}.value(schema, 0)
		if payload, err := json.Marshal(value); err == nil && value != nil && len(t.Validate(payload)) == 0 {
			return value
		}
	}
	return nil
}

// sampler makes values that match a schema, with the required properties and, if withExamples, those that have an example.
type sampler struct {
	root         map[string]any
	withExamples bool
}

const maxSampleDepth = 8

func (s sampler) value(schema map[string]any, depth int) any {
	if depth > maxSampleDepth {
		return nil
	}
	if given, ok := given(schema); ok {
		return given
	}
	if ref, ok := schema["$ref"].(string); ok {
		return s.value(s.resolve(ref), depth+1)
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		if choice, ok := schema[key].([]any); ok && len(choice) > 0 {
			first, _ := choice[0].(map[string]any)
			return s.value(first, depth+1)
		}
	}
	switch kindOf(schema) {
	case "object":
		return s.object(schema, depth)
	case "array":
		return s.array(schema, depth)
	case "string":
		return sampleText(schema)
	case "integer", "number":
		return sampleNumber(schema)
	case "boolean":
		return true
	default:
		return map[string]any{}
	}
}

// given returns a value that is written in the schema.
func given(schema map[string]any) (any, bool) {
	if value, ok := schema["const"]; ok {
		return value, true
	}
	for _, key := range []string{"examples", "enum"} {
		if list, ok := schema[key].([]any); ok && len(list) > 0 {
			return list[0], true
		}
	}
	for _, key := range []string{"example", "default"} {
		if value, ok := schema[key]; ok {
			return value, true
		}
	}
	return nil, false
}

func (s sampler) resolve(ref string) map[string]any {
	place := any(s.root)
	for step := range strings.SplitSeq(strings.Trim(strings.TrimPrefix(ref, "#"), "/"), "/") {
		if step == "" {
			break
		}
		fields, _ := place.(map[string]any)
		place = fields[step]
	}
	schema, _ := place.(map[string]any)
	return schema
}

func kindOf(schema map[string]any) string {
	switch kind := schema["type"].(type) {
	case string:
		return kind
	case []any:
		for _, each := range kind {
			if name, ok := each.(string); ok && name != "null" {
				return name
			}
		}
	}
	return ""
}

func (s sampler) object(schema map[string]any, depth int) any {
	value := map[string]any{}
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		of, ok := property.(map[string]any)
		if !ok {
			continue
		}
		_, shown := of["examples"]
		if isRequired(schema, name) || shown && s.withExamples {
			value[name] = s.value(of, depth+1)
		}
	}
	return value
}

func isRequired(schema map[string]any, name string) bool {
	required, _ := schema["required"].([]any)
	for _, each := range required {
		if each == any(name) {
			return true
		}
	}
	return false
}

func (s sampler) array(schema map[string]any, depth int) any {
	items, _ := schema["items"].(map[string]any)
	least, _ := schema["minItems"].(float64)
	list := []any{}
	for range min(int(least), 10) {
		list = append(list, s.value(items, depth+1))
	}
	return list
}

// sampleTexts holds a string for each format.
var sampleTexts = map[string]string{
	"uri": "https://example.com", "iri": "https://example.com", "uri-reference": "/example", "email": "ada@example.com",
	"idn-email": "ada@example.com", "hostname": "example.com", "date-time": "2026-03-29T12:00:00Z", "date": "2026-03-29",
	"time": "12:00:00Z", "uuid": "0190163d-8694-739b-aea5-966c26f8ad91", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "duration": "PT1H",
}

func sampleText(schema map[string]any) string {
	format, _ := schema["format"].(string)
	if text, ok := sampleTexts[format]; ok {
		return text
	}
	text := "text"
	if least, ok := schema["minLength"].(float64); ok && int(least) > len(text) {
		text += strings.Repeat("x", min(int(least), 100)-len(text))
	}
	if most, ok := schema["maxLength"].(float64); ok && most >= 0 && int(most) < len(text) {
		text = text[:int(most)]
	}
	return text
}

func sampleNumber(schema map[string]any) float64 {
	value := 1.0
	if least, ok := schema["minimum"].(float64); ok {
		value = max(value, least)
	}
	if below, ok := schema["exclusiveMinimum"].(float64); ok {
		value = max(value, below+1)
	}
	if most, ok := schema["maximum"].(float64); ok {
		value = min(value, most)
	}
	if step, ok := schema["multipleOf"].(float64); ok && step > 0 {
		value = step
	}
	return value
}
