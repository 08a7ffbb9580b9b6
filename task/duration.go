package task

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is encoded in JSON as a string such as "90s" or "1h30m". A field of this type cannot have
// a default tag; use a pointer field, and let nil mean the default.
type Duration time.Duration

// String returns the usual short form: "1h30m" rather than "1h30m0s", and below two minutes "90s" rather than "1m30s".
func (d Duration) String() string {
	if v := time.Duration(d); v < 2*time.Minute && v%time.Second == 0 {
		return strconv.FormatInt(int64(v/time.Second), 10) + "s"
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalJSON encodes the result of String.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalText parses the format of time.ParseDuration. It returns an error for negative durations.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return errors.New(`is not a duration such as "90s" or "1h30m"`)
	}
	if v < 0 {
		return errors.New("must not be negative")
	}
	*d = Duration(v)
	return nil
}

// UnmarshalJSON decodes a string in the format of UnmarshalText. It ignores null.
func (d *Duration) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil // the convention of encoding/json
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if err := d.UnmarshalText([]byte(text)); err != nil {
		// This is the only error type to which the decoder adds the field.
		return &json.UnmarshalTypeError{Value: "string " + text, Type: reflect.TypeFor[Duration]()}
	}
	return nil
}

// DurationPattern is the regular expression for the text of a Duration.
const DurationPattern = `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`

// JSONSchemaBytes returns the JSON Schema of the string.
func (Duration) JSONSchemaBytes() ([]byte, error) {
	return json.Marshal(map[string]any{
		"type": "string", "pattern": DurationPattern, "patternDescription": "a duration such as 90s or 1h30m", "examples": []string{"90s"},
	})
}
