package jsonschema_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/jsonschema"
)

func violations(t *testing.T, s *jsonschema.Schema, value string) (texts []string) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		t.Fatal(err)
	}
	for _, violation := range s.Validate(v) {
		texts = append(texts, violation.Location+": "+violation.Message)
	}
	return texts
}

func TestSchemasOfOthers(t *testing.T) {
	s, err := jsonschema.Parse([]byte(`{
		"type": "object", "required": ["a", "b"], "additionalProperties": false, "dependentRequired": {"d": ["e"]},
		"properties": {
			"a": {"$ref": "#/$defs/short"}, "b": {"enum": ["x", 1]}, "c": {"const": 7}, "d": {"oneOf": [{"type": "integer"}, {"minimum": 3}]},
			"e": {"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^a"}]}, "f": false, "g/h~i": {"items": {"pattern": "^b", "patternDescription": "a b"}},
			"i": {"type": "array", "prefixItems": [{"type": "string"}], "uniqueItems": true, "contains": {"const": "z"}}
		},
		"$defs": {"short": {"type": "string", "maxLength": 2}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string][]string{
		`{"a": "ab", "b": 1}`:                         nil,
		`{"a": "abc", "b": "secret", "z": 1}`:         {"a: expected length <= 2", `b: expected value to be one of "x, 1"`, "z: unexpected property"},
		`{}`:                                          {"a: is required", "b: is required"},
		`{"a": "", "b": 1, "c": 8}`:                   {`c: expected value to be "7"`},
		`{"a": "", "b": 1, "d": 4, "e": null}`:        {"d: fits more than one of the alternatives"},
		`{"a": "", "b": 1, "d": 1.5, "e": "a"}`:       {"d: fits none of the alternatives"},
		`{"a": "", "b": 1, "d": 2}`:                   {": lacks e, which d asks for"},
		`{"a": "", "b": 1, "e": "secret"}`:            {"e: expected string to match pattern ^a"},
		`{"a": "", "b": 1, "f": 1}`:                   {"f: is not allowed here"},
		`{"a": "", "b": 1, "g/h~i": ["b", "secret"]}`: {"g/h~i[1]: expected string to be a b"},
		`{"a": "", "b": 1, "i": [1, 1]}`:              {"i: expected array items to be unique", "i: lacks an item that is asked for", "i[0]: expected string"},
		`7`:                                           {": expected object"},
	} {
		if diff := cmp.Diff(want, violations(t, s, value)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", value, diff)
		}
	}
}

func TestSchemasThatAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(file, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, document := range []string{
		``, `{`, `7`, `{"type": "secret"}`, `{"pattern": "("}`, `{"$ref": "#/$defs/missing"}`, `{"$ref": "https://example.com/schema"}`,
		`{"$ref": "file://` + file + `"}`,
	} {
		if _, err := jsonschema.Parse([]byte(document)); err == nil {
			t.Errorf("%s was taken", document)
		}
	}
}

// A tree has parts of its own kind.
func TestRecursiveType(t *testing.T) {
	type node struct {
		Name  string  `json:"name" minLength:"1"`
		Nodes []*node `json:"nodes,omitempty"`
	}
	s, err := jsonschema.For(reflect.TypeFor[node]())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"nodes[0].nodes[0].name: expected length >= 1", "nodes[0].x: unexpected property"}
	got := violations(t, s, `{"name": "a", "nodes": [{"name": "b", "x": 1, "nodes": [{"name": ""}]}]}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, s.JSON())
	}
	if _, err := jsonschema.Parse(s.JSON()); err != nil {
		t.Errorf("others cannot read it: %v", err)
	}
}

type pair[T any] struct {
	A T `json:"a"`
}

func TestGenericTypesInOneSchema(t *testing.T) {
	type in struct {
		Text   pair[string]           `json:"text"`
		Number pair[int]              `json:"number"`
		Nested pair[map[string][]int] `json:"nested"`
	}
	s, err := jsonschema.For(reflect.TypeFor[in]())
	if err != nil {
		t.Fatal(err)
	}
	got := violations(t, s, `{"text": {"a": 1}, "number": {"a": "1"}, "nested": {"a": {"x": ["1"]}}}`)
	want := []string{"nested.a.x[0]: expected integer", "number.a: expected integer", "text.a: expected string"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, s.JSON())
	}
	if _, err := jsonschema.Parse(s.JSON()); err != nil {
		t.Errorf("others cannot read it: %v", err)
	}
}

func TestTagsThatMakeNoSense(t *testing.T) {
	type in struct {
		A int `json:"a" minimum:"many"`
	}
	if s, err := jsonschema.For(reflect.TypeFor[in]()); err == nil || !strings.Contains(err.Error(), "minimum") && !strings.Contains(err.Error(), "many") {
		t.Errorf("%v, %v", s, err)
	}
}
