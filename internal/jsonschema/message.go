package jsonschema

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// message says what was expected. The texts of the validator quote the value. pattern is what the pattern of a string means,
// "" if nobody says.
func message(k jsonschema.ErrorKind, pattern string) string {
	switch k := k.(type) {
	case *kind.Type:
		want := slices.DeleteFunc(slices.Clone(k.Want), func(name string) bool { return name == "null" })
		return "expected " + strings.Join(want, " or ")
	case *kind.Enum:
		return fmt.Sprintf("expected value to be one of %q", joined(k.Want))
	case *kind.Const:
		return fmt.Sprintf("expected value to be %q", fmt.Sprint(k.Want))
	case *kind.Format:
		if text, ok := formats[k.Want]; ok {
			return "expected string to be " + text
		}
		return "expected string to be of the format " + k.Want
	case *kind.Pattern:
		if pattern != "" {
			return "expected string to be " + pattern
		}
		return "expected string to match pattern " + k.Want
	case *kind.ContentEncoding:
		return "expected string to be encoded as " + k.Want
	case *kind.MinLength:
		return fmt.Sprintf("expected length >= %d", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("expected length <= %d", k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("expected array length >= %d", k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("expected array length <= %d", k.Want)
	case *kind.UniqueItems:
		return "expected array items to be unique"
	case *kind.MinProperties:
		return fmt.Sprintf("expected at least %d properties", k.Want)
	case *kind.MaxProperties:
		return fmt.Sprintf("expected at most %d properties", k.Want)
	case *kind.DependentRequired:
		return "lacks " + strings.Join(k.Missing, ", ") + ", which " + k.Prop + " asks for"
	case *kind.Minimum:
		return "expected number >= " + number(k.Want)
	case *kind.Maximum:
		return "expected number <= " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "expected number > " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "expected number < " + number(k.Want)
	case *kind.MultipleOf:
		return "expected number to be a multiple of " + number(k.Want)
	case *kind.Contains:
		return "lacks an item that is asked for"
	case *kind.FalseSchema:
		return "is not allowed here"
	case *kind.AnyOf:
		return "fits none of the alternatives"
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return "fits more than one of the alternatives"
		}
		return "fits none of the alternatives"
	default:
		return "does not satisfy " + strings.Join(k.KeywordPath(), "/")
	}
}

// formats say what a string of a format is. Others are called by their names.
var formats = map[string]string{
	"uri":       "a URI with a scheme, such as https://example.com",
	"iri":       "an IRI with a scheme, such as https://example.com",
	"email":     "a mail address without a name",
	"idn-email": "a mail address without a name",
	"date-time": "RFC 3339 date-time",
	"date":      "RFC 3339 date",
	"time":      "RFC 3339 time",
	"uuid":      "RFC 4122 uuid",
}

func joined(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, ", ")
}

func number(n *big.Rat) string {
	if n.IsInt() {
		return n.RatString()
	}
	f, _ := n.Float64()
	return fmt.Sprint(f)
}
