package rest

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Timestamp is a time in an answer: RFC 3339 in UTC with milliseconds, or null.
type Timestamp time.Time

const timestampFormat = "2006-01-02T15:04:05.000Z"

// MarshalJSON writes the time, or null for the zero time.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(time.Time(t).UTC().Format(timestampFormat))
}

// Schema describes the string.
func (Timestamp) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Nullable: true, Examples: []any{"2026-11-21T11:00:00.000Z"}}
}

// Nullable marks properties of a schema as null-able, each with a schema of its own, since null is not a value of its enum.
func Nullable(s *huma.Schema, names ...string) *huma.Schema {
	for _, name := range names {
		property := *s.Properties[name]
		property.Nullable = true
		if len(property.Enum) > 0 {
			property.Enum = append(property.Enum[:len(property.Enum):len(property.Enum)], nil)
		}
		s.Properties[name] = &property
	}
	return s
}

// OrNil returns nil for a zero value, which is null in JSON.
func OrNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
