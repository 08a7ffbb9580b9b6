package task

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

func init() {
	// "URL" is not "url": without this a misspelt field passes the schema and another one is filled.
	huma.ValidateStrictCasing = true
}

// schema is the JSON Schema of a Go type, to validate with and to show.
type schema struct {
	registry huma.Registry
	root     *huma.Schema
	json     json.RawMessage
}

const definitionsPrefix = "#/$defs/"

func schemaFor[T any]() schema {
	registry := huma.NewMapRegistry(definitionsPrefix, huma.DefaultSchemaNamer)
	root := registry.Schema(reflect.TypeFor[T](), false, "")
	shown, err := showSchema(root, registry)
	if err != nil {
		panic(fmt.Sprintf("schema of %v: %v", reflect.TypeFor[T](), err))
	}
	done := make(map[*huma.Schema]bool)
	for _, s := range registry.Map() { // perhaps without the root
		enforceFormats(s, done)
		s.PrecomputeMessages()
	}
	enforceFormats(root, done)
	root.PrecomputeMessages()
	return schema{registry, root, shown}
}

// showSchema joins the root and the definitions that are referred to into one self-contained document.
func showSchema(root *huma.Schema, registry huma.Registry) (json.RawMessage, error) {
	data, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	all, err := json.Marshal(registry.Map())
	if err != nil {
		return nil, err
	}
	definitions := make(map[string]*huma.Schema)
	for name, s := range registry.Map() { // which holds the root as well
		if reference := strconv.Quote(definitionsPrefix + name); strings.Contains(string(data)+string(all), reference) {
			definitions[name] = s
		}
	}
	if len(definitions) == 0 {
		return data, nil
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	doc["$defs"] = definitions
	return json.Marshal(doc)
}

// Validate checks a payload against the type's schema and then against its Go type. Locations are those
// of a request: payload.url.
func (t *Type) Validate(payload []byte) []Fault {
	var value any = map[string]any{}
	if len(payload) > 0 {
		err := json.Unmarshal(payload, &value)
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return []Fault{{"payload", "holds a number that is out of range"}}
		}
		if err != nil {
			return []Fault{{"payload", "is not JSON: " + err.Error()}}
		}
	}
	path := huma.NewPathBuffer([]byte("payload"), len("payload"))
	var res huma.ValidateResult
	huma.Validate(t.payload.registry, t.payload.root, path, huma.ModeWriteToServer, value, &res)
	if len(res.Errors) > 0 {
		return faultsOf(res.Errors)
	}
	return decodeFaults(t.decode(payload))
}

func faultsOf(errs []error) []Fault {
	faults := make([]Fault, len(errs))
	for i, err := range errs {
		faults[i] = FaultOf(err)
	}
	return faults
}

var (
	missingProperty = regexp.MustCompile(`^expected required property (\S+) to be present$`)
	// The reasons why a value has not its format quote the value.
	wrongFormat = regexp.MustCompile(`^(expected string to be (?:RFC \d+ (?:email|uri|uuid)|regex)|expected duration): `)
)

// FaultOf makes a Fault of an error that huma's validation or the decoding of JSON found. It leaves out the
// value at fault, which may be a secret, and points at a missing field itself rather than at what lacks it.
func FaultOf(err error) Fault {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return Fault{wrong.Field, "is out of range or of the wrong type"}
	}
	detail, ok := errors.AsType[*huma.ErrorDetail](err)
	if !ok {
		return Fault{Message: err.Error()}
	}
	if missing := missingProperty.FindStringSubmatch(detail.Message); missing != nil {
		return Fault{strings.TrimPrefix(detail.Location+"."+missing[1], "."), "is required"}
	}
	if wrong := wrongFormat.FindStringSubmatch(detail.Message); wrong != nil {
		return Fault{detail.Location, wrong[1]}
	}
	return Fault{detail.Location, detail.Message}
}

func decodeFaults(err error) []Fault {
	if err == nil {
		return nil
	}
	faults := []Fault{FaultOf(err)}
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
