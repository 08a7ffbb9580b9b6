package jsonschema_test

import (
	"encoding/json"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

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

func TestTypesAndTagsWithoutASchema(t *testing.T) {
	for want, of := range map[string]reflect.Type{
		`field A: tag minimum: strconv.ParseFloat: parsing "many"`: reflect.TypeFor[struct {
			A int `minimum:"many"`
		}](),
		`field A: tag maxItems: strconv.ParseUint: parsing "-1"`: reflect.TypeFor[struct {
			A []int `maxItems:"-1"`
		}](),
		`field A: tag uniqueItems: `: reflect.TypeFor[struct {
			A []int `uniqueItems:"?"`
		}](),
		`field A: tag nullable: `: reflect.TypeFor[struct {
			A int `nullable:"?"`
		}](),
		`field A: tag default: `: reflect.TypeFor[struct {
			A int `default:"many"`
		}](),
		`field A: field B: JSON has no chan int`: reflect.TypeFor[struct{ A []struct{ B chan int } }](),
		`JSON has no func()`:                     reflect.TypeFor[map[string]func()](),
	} {
		if s, err := jsonschema.For(of); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, and not %s", s, err, want)
		}
	}
}

// Fields are named as encoding/json names them.
func TestNamesOfFields(t *testing.T) {
	type Embedded struct {
		Inner int
		Both  int `json:"both"`
	}
	type in struct {
		Embedded
		Plain   string
		Renamed string `json:"other"`
		Skipped string `json:"-"`
		Empty   string `json:",omitempty"`
		hidden  string
		Ptr     *Embedded `json:"ptr,omitempty"`
	}
	s, err := jsonschema.For(reflect.TypeFor[in]())
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(in{hidden: "x", Ptr: &Embedded{}, Empty: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got := violations(t, s, string(data)); got != nil {
		t.Errorf("%s does not fit: %v\n%s", data, got, s.JSON())
	}
	want := []string{"Inner: is required", "Plain: is required", "Skipped: unexpected property", "both: is required", "other: is required", "plain: unexpected property"}
	if diff := cmp.Diff(want, violations(t, s, `{"plain": "x", "Skipped": "x"}`)); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, s.JSON())
	}
}

type color int

func (c color) MarshalText() ([]byte, error) { return []byte("red"), nil }
func (c *color) UnmarshalText([]byte) error  { return nil }

type embedded struct {
	Deep string `json:"deep"`
}

// What encoding/json writes of a value fits the schema of its type.
func TestValuesFitTheSchemasOfTheirTypes(t *testing.T) {
	type all struct {
		Bool      bool
		Int       int8
		Uint      uint64
		Float     float32
		Text      string
		Bytes     []byte
		List      []int
		Array     [2]string
		Lists     [][]string
		Map       map[string]int
		IntMap    map[int]string
		ColorMap  map[color]string
		MapOfMaps map[string]map[string][]embedded
		Any       any
		Raw       json.RawMessage
		Number    json.Number
		Time      time.Time
		Span      time.Duration
		Address   netip.Addr
		IP        net.IP
		Link      url.URL
		Color     color
		Colors    []color
		Pointer   *int
		Pointers  []*string
		Struct    struct{ A, B int }
		*embedded
		Big     big.Int
		Float64 float64 `json:",omitempty"`
	}
	n, text := 7, "x"
	value := all{
		Bool: true, Int: -5, Uint: math.MaxUint32, Float: 1.5, Text: "ü", Bytes: []byte("hi"), List: []int{1}, Array: [2]string{"a", "b"},
		Lists: [][]string{{"a"}}, Map: map[string]int{"a": 1}, IntMap: map[int]string{1: "a"}, ColorMap: map[color]string{1: "a"},
		MapOfMaps: map[string]map[string][]embedded{"a": {"b": {{"c"}}}}, Any: map[string]any{"a": []int{1}}, Raw: json.RawMessage(`[1]`),
		Number: "12.5", Time: time.Now(), Span: time.Second, Address: netip.MustParseAddr("::1"), IP: net.ParseIP("10.0.0.1"),
		Colors: []color{1}, Pointer: &n, Pointers: []*string{&text}, embedded: &embedded{"x"}, Big: *big.NewInt(5),
	}
	s, err := jsonschema.For(reflect.TypeFor[all]())
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if got := violations(t, s, string(data)); got != nil {
		t.Errorf("%s does not fit:\n%s\n%s", data, strings.Join(got, "\n"), s.JSON())
	}
	for _, value := range []any{[]int{1}, map[string]int{"a": 1}, "text", 5, true, &value, []embedded{{"x"}}, json.RawMessage(`{"a":1}`), time.Now(), struct{}{}} {
		s, err := jsonschema.For(reflect.TypeOf(value))
		if err != nil {
			t.Errorf("%T: %v", value, err)
			continue
		}
		data, _ := json.Marshal(value)
		if got := violations(t, s, string(data)); got != nil {
			t.Errorf("%T: %s does not fit: %v\n%s", value, data, got, s.JSON())
		}
	}
}
