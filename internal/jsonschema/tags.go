package jsonschema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// The tags of a field that are keywords, by what they hold. Those of items say nothing of a list: on a list they are meant
// for its items.
var (
	ofField = map[string]func(string) (any, error){
		"title": text, "description": text, "contentEncoding": text, "contentMediaType": text,
		"minItems": whole, "maxItems": whole, "minProperties": whole, "maxProperties": whole,
		"uniqueItems": truth, "readOnly": truth,
	}
	ofItems = map[string]func(string) (any, error){
		"format": text, "pattern": text, "patternDescription": text, "enum": oneOf, "minLength": whole, "maxLength": whole,
		"minimum": decimal, "maximum": decimal, "exclusiveMinimum": decimal, "exclusiveMaximum": decimal, "multipleOf": decimal,
	}
)

// addTags adds what the tags of a field say to its schema.
func (in *inference) addTags(schema keywords, tag reflect.StructTag) error {
	if err := schema.add(tag, ofField); err != nil {
		return err
	}
	if doc := tag.Get("doc"); doc != "" {
		schema["description"] = doc
	}
	if err := in.addValues(schema, tag); err != nil {
		return err
	}
	part := schema
	for items, ok := part["items"].(keywords); ok; items, ok = part["items"].(keywords) {
		part = items
	}
	if err := part.add(tag, ofItems); err != nil {
		return err
	}
	if part["format"] == "base64" { // as older drafts have it
		delete(part, "format")
		part["contentEncoding"] = "base64"
	}
	return nil
}

func (k keywords) add(tag reflect.StructTag, of map[string]func(string) (any, error)) error {
	for keyword, parse := range of {
		content, ok := tag.Lookup(keyword)
		if !ok {
			continue
		}
		value, err := parse(content)
		if err != nil {
			return fmt.Errorf("tag %s: %w", keyword, err)
		}
		k[keyword] = value
	}
	return nil
}

func text(content string) (any, error)  { return content, nil }
func whole(content string) (any, error) { return strconv.ParseUint(content, 10, 63) }
func truth(content string) (any, error) { return strconv.ParseBool(content) }

func decimal(content string) (any, error) { return strconv.ParseFloat(content, 64) }

// oneOf reads a list of JSON, or of words with commas between them.
func oneOf(content string) (any, error) {
	var values []any
	if json.Unmarshal([]byte(content), &values) == nil {
		return values, nil
	}
	return strings.Split(content, ","), nil
}

// addValues adds the tags that hold a value of the field.
func (in *inference) addValues(schema keywords, tag reflect.StructTag) error {
	for _, name := range []string{"default", "const", "example"} {
		content, ok := tag.Lookup(name)
		if !ok {
			continue
		}
		value, err := in.value(schema, content)
		if err != nil {
			return fmt.Errorf("tag %s: %w", name, err)
		}
		if name == "example" {
			schema["examples"] = []any{value}
		} else {
			schema[name] = value
		}
	}
	return nil
}

// value reads a value of a schema: text as it is, anything else from JSON. A list of texts may do without quotes.
func (in *inference) value(schema keywords, content string) (value any, err error) {
	if ref, ok := schema["$ref"].(string); ok {
		schema, _ = in.definitions[strings.TrimPrefix(ref, "#/$defs/")].(keywords) // none yet inside of itself, which is no text
	}
	if schema.hasType("string") {
		return content, nil
	}
	if err = json.Unmarshal([]byte(content), &value); err == nil {
		return value, nil
	}
	items, _ := schema["items"].(keywords)
	if list, ok := strings.CutPrefix(content, "["); ok && items.hasType("string") && strings.HasSuffix(list, "]") {
		return strings.Split(strings.TrimSuffix(list, "]"), ","), nil
	}
	return nil, err
}
