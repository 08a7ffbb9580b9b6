package task

import "github.com/danielgtaylor/huma/v2"

// formatPattern is what a string with a format must match, in plain words too.
type formatPattern struct{ pattern, meaning string }

// strictFormats are the formats of which huma checks less than their RFCs ask for: to it any text is a URI.
var strictFormats = map[string]formatPattern{
	"uri":           {`^[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f]*$`, "a URI with a scheme, such as https://example.com"},
	"iri":           {`^[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f]*$`, "an IRI with a scheme, such as https://example.com"},
	"uri-reference": {`^[^\s\x00-\x1f\x7f]*$`, "a URI or a relative reference"},
	"iri-reference": {`^[^\s\x00-\x1f\x7f]*$`, "an IRI or a relative reference"},
	"email":         {`^[^\s<>@]+@[^\s<>@]+$`, "a mail address without a name"},
	"idn-email":     {`^[^\s<>@]+@[^\s<>@]+$`, "a mail address without a name"},
}

// enforceFormats makes a schema check formats in full. It is for a schema that was shown before: the patterns are no
// business of its readers.
func enforceFormats(s *huma.Schema, done map[*huma.Schema]bool) {
	if s == nil || done[s] {
		return
	}
	done[s] = true
	if strict, ok := strictFormats[s.Format]; ok && s.Type == huma.TypeString {
		if s.Pattern == "" {
			s.Pattern, s.PatternDescription = strict.pattern, strict.meaning
		} else {
			s.AllOf = append(s.AllOf, &huma.Schema{
				Type: s.Type, Nullable: s.Nullable, Pattern: strict.pattern, PatternDescription: strict.meaning,
			})
		}
	}
	enforceFormats(s.Items, done)
	for _, field := range s.Properties {
		enforceFormats(field, done)
	}
	if values, ok := s.AdditionalProperties.(*huma.Schema); ok {
		enforceFormats(values, done)
	}
	for _, subs := range [][]*huma.Schema{s.OneOf, s.AnyOf, s.AllOf} {
		for _, sub := range subs {
			enforceFormats(sub, done)
		}
	}
}
