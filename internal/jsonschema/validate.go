package jsonschema

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Violation is a place where a value does not satisfy a schema.
type Violation struct {
	// Location is a path such as steps[1].name, "" for the whole value.
	Location string
	// Message has no part of the value in it, which may be a secret.
	Message string
}

// Validate returns all violations of a value that came out of JSON, in the order of their locations.
func (s *Schema) Validate(value any) []Violation {
	err := s.compiled.Validate(value)
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return []Violation{{Message: "cannot be checked"}}
	}
	found := s.collect(nil, value, invalid)
	slices.SortStableFunc(found, func(a, b Violation) int { return cmp.Compare(a.Location, b.Location) })
	return slices.Compact(found)
}

// collect adds the violations of an error and its causes. What is wrong with each of several alternatives says less than that
// none of them fits.
func (s *Schema) collect(found []Violation, value any, err *jsonschema.ValidationError) []Violation {
	at := location(value, err.InstanceLocation)
	switch k := err.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			found = append(found, Violation{member(at, name), "is required"})
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			found = append(found, Violation{member(at, name), "unexpected property"})
		}
	case *kind.Contains: // its causes are that each item does not fit, which none has to
		found = append(found, Violation{at, message(k, "")})
	case *kind.AnyOf, *kind.OneOf:
		// Of null or something, which is how optional values are written, the something is what matters.
		causes := slices.DeleteFunc(slices.Clone(err.Causes), asksForNull)
		if len(causes) == 1 {
			return s.collect(found, value, causes[0])
		}
		found = append(found, Violation{at, message(k, "")})
	default:
		if len(err.Causes) == 0 {
			found = append(found, Violation{at, message(k, s.patternDescription(err.SchemaURL))})
		}
		for _, cause := range err.Causes {
			found = s.collect(found, value, cause)
		}
	}
	return found
}

func asksForNull(err *jsonschema.ValidationError) bool {
	k, ok := err.ErrorKind.(*kind.Type)
	return ok && slices.Equal(k.Want, []string{"null"})
}

// location writes the path of a part of a value.
func location(value any, path []string) string {
	at := ""
	for _, name := range path {
		switch v := value.(type) {
		case []any:
			at += "[" + name + "]"
			if i, err := strconv.Atoi(name); err == nil && i < len(v) {
				value = v[i]
			}
		case map[string]any:
			at, value = member(at, name), v[name]
		}
	}
	return at
}

func member(of, name string) string { return strings.TrimPrefix(of+"."+name, ".") }

// patternDescription says in words what the pattern of a part of the schema means, "" if the schema does not.
func (s *Schema) patternDescription(url string) string {
	_, pointer, _ := strings.Cut(url, "#")
	part := s.document
	for _, name := range strings.Split(pointer, "/")[1:] { // it begins with a slash, or is empty
		switch whole := part.(type) {
		case map[string]any:
			part = whole[unescape.Replace(name)]
		case []any:
			if i, err := strconv.Atoi(name); err == nil && i < len(whole) {
				part = whole[i]
			}
		}
	}
	fields, _ := part.(map[string]any)
	text, _ := fields["patternDescription"].(string)
	return text
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")
